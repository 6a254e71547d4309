//! Places in the JSON form.

use serde_json::Value;

use super::settings::{Path, settings};
use super::{FieldId, HARMLESS, JsonParser, LeafError, Parsed, build};

impl JsonParser<'_> {
    pub(super) fn geo_bounding_box(&mut self, value: &Value, at: &Path) -> Parsed {
        let (field, value, at) = self.place(value, at, &["type", "validation_method"])?;
        let corners = ["top_left", "bottom_right", "top_right", "bottom_left"];
        let of = settings(value, &at, &[&corners[..], &["top", "left", "bottom", "right"]].concat())?;
        let point = |key: &str| of.get(key).map(|(at, value)| point(value, &at)).transpose();
        let edge = |key: &str| of.get(key).map(|(at, value)| number(value, &at)).transpose();
        let edges = if let (Some((west, north)), Some((east, south))) = (point(corners[0])?, point(corners[1])?) {
            [west, south, east, north]
        } else if let (Some((east, north)), Some((west, south))) = (point(corners[2])?, point(corners[3])?) {
            [west, south, east, north]
        } else if let (Some(west), Some(south), Some(east), Some(north)) =
            (edge("left")?, edge("bottom")?, edge("right")?, edge("top")?)
        {
            [west, south, east, north]
        } else {
            let expected = "expected top_left and bottom_right, or top, left, bottom and right";
            return at.fail(LeafError::new("the box is not complete").expected(expected));
        };
        at.built(self.builder.within(field, edges))
    }

    pub(super) fn geo_distance(&mut self, value: &Value, at: &Path) -> Parsed {
        let (field, place, place_at) = self.place(value, at, &["distance", "distance_type", "validation_method"])?;
        let Some(distance) = value.get("distance") else { return at.fail(LeafError::new("`distance` is missing")) };
        let at = at.key("distance");
        let meters = match distance {
            Value::Number(_) => number(distance, &at)?,
            _ => at.built(build::distance(&at.text(distance)?))?,
        };
        let (lon, lat) = point(place, &place_at)?;
        place_at.built(self.builder.near(field, lon, lat, meters))
    }

    /// The one field with a point, besides settings.
    fn place<'v>(&self, value: &'v Value, at: &Path, beside: &[&str]) -> Parsed<(FieldId, &'v Value, Path)> {
        let object = at.object(value)?;
        let is_field = |name: &str| !HARMLESS.contains(&name) && !beside.contains(&name);
        let mut names = object.iter().filter(|(name, _)| is_field(name));
        let (Some((name, value)), None) = (names.next(), names.next()) else {
            return at.fail(LeafError::new("one field must be named here, and only one"));
        };
        let at = at.key(name);
        Ok((at.built(self.field(name))?, value, at))
    }
}

fn number(value: &Value, at: &Path) -> Parsed<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    number.map_or_else(|| at.wants(value, "a number"), Ok)
}

/// Longitude and latitude, from `{lat, lon}`, `[lon, lat]` or `"lat,lon"`.
fn point(value: &Value, at: &Path) -> Parsed<(f64, f64)> {
    match value {
        Value::Object(_) => {
            let of = settings(value, at, &["lat", "lon"])?;
            match (of.get("lon"), of.get("lat")) {
                (Some((lon_at, lon)), Some((lat_at, lat))) => Ok((number(lon, &lon_at)?, number(lat, &lat_at)?)),
                _ => at.fail(LeafError::new("a place needs `lat` and `lon`")),
            }
        }
        Value::Array(pair) if pair.len() == 2 => Ok((number(&pair[0], &at.item(0))?, number(&pair[1], &at.item(1))?)),
        Value::String(text) => match text.split_once(',').map(|(lat, lon)| (lon.trim().parse(), lat.trim().parse())) {
            Some((Ok(lon), Ok(lat))) => Ok((lon, lat)),
            _ => at.wants(value, "\"lat,lon\""),
        },
        _ => at.wants(value, "{lat, lon}, [lon, lat] or \"lat,lon\""),
    }
}
