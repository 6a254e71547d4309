//! Boxes and circles on earth, for index, percolator and plain evaluation.

use crate::doc::Point;

/// The mean radius of the earth, in meters.
const EARTH_RADIUS: f64 = 6_371_008.8;

/// A box between meridians and parallels, in degrees. If `west > east`, it crosses the 180th
/// meridian.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeoBox {
    /// The longitude of the left edge, from -180 to 180.
    pub west: f64,
    /// The latitude of the lower edge, from -90 to 90.
    pub south: f64,
    /// The longitude of the right edge, from -180 to 180.
    pub east: f64,
    /// The latitude of the upper edge, from -90 to 90.
    pub north: f64,
}

impl GeoBox {
    /// Whether the box contains a point, edges included.
    #[must_use]
    pub fn contains(&self, point: Point) -> bool {
        // The 180th meridian is -180 and 180.
        let turned = if point.lon.abs() >= 180.0 { -point.lon } else { point.lon };
        self.south <= point.lat
            && point.lat <= self.north
            && (self.contains_meridian(point.lon) || self.contains_meridian(turned))
    }

    fn contains_meridian(&self, lon: f64) -> bool {
        if self.west <= self.east { self.west <= lon && lon <= self.east } else { self.west <= lon || lon <= self.east }
    }
}

/// A circle on the sphere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeoCircle {
    /// The longitude of the center, from -180 to 180.
    pub lon: f64,
    /// The latitude of the center, from -90 to 90.
    pub lat: f64,
    /// The radius along the surface, in meters.
    pub meters: f64,
}

impl GeoCircle {
    /// Whether the circle contains a point, edge included.
    #[must_use]
    pub fn contains(&self, point: Point) -> bool {
        let (from, to) = (self.lat.to_radians(), point.lat.to_radians());
        let lat = ((to - from) / 2.0).sin();
        let lon = ((point.lon - self.lon).to_radians() / 2.0).sin();
        let haversine = lat * lat + from.cos() * to.cos() * lon * lon;
        2.0 * EARTH_RADIUS * haversine.sqrt().min(1.0).asin() <= self.meters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_holds_its_edges() {
        let london = GeoBox { west: -0.5, south: 51.3, east: 0.3, north: 51.7 };
        assert!(london.contains(Point { lon: -0.5, lat: 51.7 }));
        assert!(!london.contains(Point { lon: -0.500_1, lat: 51.5 }));
        assert!(!london.contains(Point { lon: 0.0, lat: 51.29 }));
    }

    #[test]
    fn a_box_may_cross_the_antimeridian() {
        let fiji = GeoBox { west: 177.0, south: -21.0, east: -178.0, north: -12.0 };
        for lon in [177.0, 179.9, 180.0, -180.0, -178.0] {
            assert!(fiji.contains(Point { lon, lat: -17.0 }), "{lon}");
        }
        assert!(!fiji.contains(Point { lon: 0.0, lat: -17.0 }));
        let west_of_it = GeoBox { west: 170.0, south: -90.0, east: 180.0, north: 90.0 };
        assert!(west_of_it.contains(Point { lon: -180.0, lat: 0.0 }));
    }

    #[test]
    fn a_circle_is_measured_on_the_sphere() {
        // Berlin, Alexanderplatz to Brandenburger Tor: 2.46 km.
        let point = Point { lon: 13.3777, lat: 52.5163 };
        let at = |meters| GeoCircle { lon: 13.4132, lat: 52.5219, meters };
        assert!(at(2_500.0).contains(point));
        assert!(!at(2_400.0).contains(point));
        let date_line = GeoCircle { lon: 179.9, lat: 0.0, meters: 30_000.0 };
        assert!(date_line.contains(Point { lon: -179.9, lat: 0.0 }));
        let half_way = GeoCircle { lon: 0.0, lat: 0.0, meters: 20_015_200.0 };
        assert!(half_way.contains(Point { lon: 180.0, lat: 0.0 }));
    }
}
