//! Server-sent events, as a client reads them.

/// An event with its data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerEvent {
    pub(crate) name: String,
    pub(crate) data: String,
}

/// Puts lines together to events.
pub(crate) struct EventParser {
    event: ServerEvent,
    has_data: bool,
    max_bytes: usize,
}

impl EventParser {
    /// A parser that cuts off data behind `max_bytes`.
    pub(crate) fn new(max_bytes: usize) -> EventParser {
        EventParser { event: ServerEvent::default(), has_data: false, max_bytes }
    }

    /// Takes a line; returns the event that it ends.
    pub(crate) fn line(&mut self, line: &str) -> Option<ServerEvent> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "data" if self.event.data.len() > self.max_bytes => {}
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            // Comments, ids, and what else there may be.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_to_events() {
        let mut parser = EventParser::new(1_000);
        let text = ":)\n:thump\nevent: update\ndata: {\"a\":\ndata:1}\n\n\nevent: filters_changed\n\nid: 4\ndata: 5\n\ndata: 6";
        let events: Vec<ServerEvent> = text.lines().filter_map(|line| parser.line(line)).collect();
        let event = |name: &str, data: &str| ServerEvent { name: name.to_owned(), data: data.to_owned() };
        assert_eq!(events, [event("update", "{\"a\":\n1}"), event("", "5")]);
    }
}
