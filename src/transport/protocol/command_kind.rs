//! The kinds of commands, in one list: a command that is added here and handled nowhere does not
//! compile.

use super::event;

macro_rules! command_kinds {
    ($($kind:ident => $event:path,)*) => {
        /// The kind of a command.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum CommandKind {
            $($kind,)*
        }

        impl CommandKind {
            /// All kinds.
            pub(super) const ALL: &[CommandKind] = &[$(CommandKind::$kind,)*];

            /// The event that carries commands of this kind.
            pub(super) fn event(self) -> &'static str {
                match self {
                    $(CommandKind::$kind => $event,)*
                }
            }
        }
    };
}

command_kinds! {
    Auth => event::AUTH,
    Percolate => event::PERCOLATE,
    Unpercolate => event::UNPERCOLATE,
    Query => event::QUERY,
    Missing => event::MISSING,
    Aggregate => event::AGGREGATE,
    Analyze => event::ANALYZE,
    Publish => event::PUBLISH,
    Ping => event::PING,
    UsersCount => event::USERS_COUNT,
    TotalTweetCount => event::TOTAL_TWEET_COUNT,
}

impl CommandKind {
    /// The kind of this event's command.
    pub(super) fn of_event(event: &str) -> Option<CommandKind> {
        CommandKind::ALL.iter().copied().find(|kind| kind.event() == event)
    }

    /// The events of all commands.
    pub(super) fn events() -> impl Iterator<Item = &'static str> {
        CommandKind::ALL.iter().map(|kind| kind.event())
    }
}
