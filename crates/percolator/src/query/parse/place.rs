//! Parses places: boxes, circles, and the forms that X has for them.

use super::{Ast, Built, FieldId, LeafError, Parser, Range, Word, build};

impl Parser<'_, '_, '_> {
    /// The values in `[…]`, split at spaces and commas.
    fn list(&mut self) -> Option<Vec<String>> {
        self.skip_space();
        let inner = self.rest().strip_prefix('[')?;
        let inner = &inner[..inner.find(']')?];
        self.pos += inner.len() + 2;
        let items = inner.split(|char: char| char.is_whitespace() || char == ',');
        Some(items.filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }

    /// Parses `within:[west south east north]`.
    pub(super) fn within(&mut self, name: &Word, field: Option<FieldId>) -> Option<Ast> {
        let start = self.pos;
        let edges: Option<Vec<f64>> = self.list().and_then(|list| list.iter().map(|it| it.parse().ok()).collect());
        let edges: Option<[f64; 4]> = edges.and_then(|edges| edges.try_into().ok());
        if edges.is_none() && self.pos == start {
            self.word();
        }
        let span = name.span.start..self.pos;
        let built = match edges {
            None => Err(LeafError::new("a box is missing")
                .expected("expected west, south, east and north in degrees: within:[-0.5 51.3 0.3 51.7]")),
            Some(edges) => match field.map_or_else(|| self.builder.place_field(), Ok) {
                Ok(field) => self.builder.within(field, edges),
                Err(problem) => Err(problem),
            },
        };
        self.leaf(span, built)
    }

    /// Parses `near:[lon lat 5km]`, or `near:lat,lon within:15mi` as in X's search.
    pub(super) fn near(&mut self, name: &Word, field: Option<FieldId>) -> Option<Ast> {
        let start = self.pos;
        self.skip_space();
        if self.peek() == Some('[') {
            let list = self.list().unwrap_or_default();
            let span = name.span.start..self.pos;
            let built = self.near_leaf(&list, field);
            return self.leaf(span, built);
        }
        self.pos = start;
        let (_, place) = self.literal();
        let radius = self.radius().unwrap_or_else(|| "15mi".to_owned());
        self.near_point(name.span.start..self.pos, &place, &radius)
    }

    /// Parses `within:15mi`, before or behind `near:`.
    pub(super) fn within_radius(&mut self, name: &Word) -> Option<Ast> {
        let (_, radius) = self.literal();
        self.skip_space();
        let span = name.span.start..self.pos;
        if self.eat("near:") {
            let (_, place) = self.literal();
            return self.near_point(name.span.start..self.pos, &place, &radius);
        }
        let problem = LeafError::new("`within:` needs a place").expected("expected near:[13.4 52.5 15mi]");
        self.report(span, problem);
        Some(Ast::None)
    }

    /// Whether a distance is next, and no box.
    pub(super) fn peeks_radius(&self) -> bool {
        self.rest().starts_with(|char: char| char.is_ascii_digit())
    }

    fn radius(&mut self) -> Option<String> {
        let before = self.pos;
        self.skip_space();
        if self.eat("within:") && self.peeks_radius() {
            return Some(self.literal().1);
        }
        self.pos = before;
        None
    }

    /// Parses `geocode:52.5,13.4,15mi`.
    pub(super) fn geocode(&mut self, name: &Word) -> Option<Ast> {
        let (_, text) = self.literal();
        let (place, radius) = text.rsplit_once(',').unwrap_or((&text, ""));
        self.near_point(name.span.start..self.pos, place, radius)
    }

    /// The circle around `lat,lon`.
    fn near_point(&mut self, span: Range<usize>, place: &str, radius: &str) -> Option<Ast> {
        let point =
            place.split_once(',').and_then(|(lat, lon)| Some((lat.trim().parse().ok()?, lon.trim().parse().ok()?)));
        let built = match point {
            None => Err(LeafError::new(format!("perch does not know where `{place}` is"))
                .expected("expected longitude, latitude and distance: near:[13.4 52.5 15mi]")),
            Some((lat, lon)) => build::distance(radius)
                .and_then(|meters| Ok((self.builder.place_field()?, meters)))
                .and_then(|(field, meters)| self.builder.near(field, lon, lat, meters)),
        };
        self.leaf(span, built)
    }

    fn near_leaf(&mut self, list: &[String], field: Option<FieldId>) -> Built {
        let missing = || {
            LeafError::new("a place and a distance are missing")
                .expected("expected longitude, latitude and distance: near:[13.4 52.5 5km]")
        };
        let [lon, lat, distance @ ..] = list else { return Err(missing()) };
        let (Ok(lon), Ok(lat)) = (lon.parse(), lat.parse()) else { return Err(missing()) };
        if distance.is_empty() {
            return Err(missing());
        }
        let meters = build::distance(&distance.concat())?;
        let field = field.map_or_else(|| self.builder.place_field(), Ok)?;
        self.builder.near(field, lon, lat, meters)
    }
}
