//! Leaves of places.

use super::{Ast, Builder, Built, FieldId, GeoBox, GeoCircle, Kind, LeafError, Schema};

impl Builder<'_> {
    /// The field of `within:` and `near:`.
    pub(in crate::query) fn place_field(&self) -> Built<FieldId> {
        place_field(self.schema).ok_or_else(|| LeafError::new("there is no field with places"))
    }

    /// A box: west, south, east, north.
    pub(in crate::query) fn within(&mut self, field: FieldId, edges: [f64; 4]) -> Built {
        self.clause()?;
        self.check_place_field(field)?;
        let [west, south, east, north] = edges;
        for (lon, lat) in [(west, south), (east, north)] {
            check_place(lon, lat)?;
        }
        if south > north {
            return Err(LeafError::new(format!("the south edge {south} lies north of the north edge {north}"))
                .expected("expected west south east north"));
        }
        let [west, south, east, north] = edges.map(|edge| edge + 0.0);
        Ok(Ast::Within { field, bounds: GeoBox { west, south, east, north } })
    }

    /// A circle.
    pub(in crate::query) fn near(&mut self, field: FieldId, lon: f64, lat: f64, meters: f64) -> Built {
        self.clause()?;
        self.check_place_field(field)?;
        check_place(lon, lat)?;
        if !meters.is_finite() || meters < 0.0 {
            return Err(LeafError::new(format!("{meters} is no distance")));
        }
        Ok(Ast::Near { field, circle: GeoCircle { lon: lon + 0.0, lat: lat + 0.0, meters: meters + 0.0 } })
    }

    fn check_place_field(&self, field: FieldId) -> Built<()> {
        if self.kind(field) == Kind::Point {
            return Ok(());
        }
        Err(LeafError::new(format!("`{}` holds no places", self.name(field))))
    }
}

/// The field of `within:` and `near:`: the first that holds points.
pub(in crate::query) fn place_field(schema: &Schema) -> Option<FieldId> {
    schema.iter().find(|(_, field)| field.kind == Kind::Point).map(|(id, _)| id)
}

/// Parses a distance with its unit, to meters.
pub(in crate::query) fn distance(text: &str) -> Built<f64> {
    let problem =
        || LeafError::new(format!("`{text}` is no distance")).expected("expected a number with km, m or mi: 5km");
    let at = text.find(|char: char| char.is_alphabetic()).ok_or_else(problem)?;
    let (number, unit) = text.split_at(at);
    let meters = match unit.to_ascii_lowercase().as_str() {
        "m" => 1.0,
        "km" => 1_000.0,
        "mi" => 1_609.344,
        _ => return Err(problem()),
    };
    match number.trim_end().parse::<f64>() {
        Ok(number) if number >= 0.0 && (number * meters).is_finite() => Ok(number * meters),
        _ => Err(problem()),
    }
}

fn check_place(lon: f64, lat: f64) -> Built<()> {
    if !(-180.0..=180.0).contains(&lon) {
        return Err(
            LeafError::new(format!("{lon} is no longitude")).expected("expected -180 to 180; longitude comes first")
        );
    }
    if !(-90.0..=90.0).contains(&lat) {
        return Err(
            LeafError::new(format!("{lat} is no latitude")).expected("expected -90 to 90; longitude comes first")
        );
    }
    Ok(())
}
