//! What a client may do, how often, and the order of its events: without sockets, and with a paused
//! clock where time matters.
//!
//! Each future of [`ClientSession::next`] is dropped after one poll, so that every test also shows
//! that this loses nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;
use tokio::task::unconstrained;
use tokio::time::{Instant, advance};

use super::driven::Driven;
use super::*;
use crate::auth::tests::{hs256, secret};
use crate::auth::{AccessToken, Rights};
use crate::config::LimitsSection;

/// A reference of a command: its number, and what cancels it.
#[derive(Debug)]
struct Numbered(u32, Option<oneshot::Receiver<()>>);

impl CommandRef for Numbered {
    async fn cancelled(&mut self) {
        match &mut self.1 {
            Some(cancelled) => drop(cancelled.await),
            None => std::future::pending().await,
        }
    }
}

struct Tested {
    stages: Driven,
    session: ClientSession<Numbered>,
    next_id: u64,
}

impl Tested {
    fn new(limits: LimitsSection, authorization: Authorization) -> Tested {
        let stages = Driven::start(100, 4, 1.0);
        let context = Arc::new(ClientContext {
            live: stages.live.clone(),
            queries: Arc::new(QueryParserPool::new(QueryLimits::default(), Duration::from_secs(60))),
            intake: stages.intake.clone(),
            authorization,
            limits,
        });
        let slot = SessionSlot::new(AddressLimit::new(0), None);
        let session = ClientSession::open(&context, Requester::server(), slot, None, 1);
        Tested { stages, session, next_id: 1 }
    }

    fn open() -> Tested {
        Tested::new(LimitsSection::default(), Authorization::default())
    }

    fn with_tokens() -> Tested {
        Tested::new(LimitsSection::default(), Authorization::new(Some(Arc::new(secret()))))
    }

    /// Sends tweets of this text through the loop.
    fn tweets(&mut self, texts: &[&str]) {
        let tweets = texts.iter().zip(self.next_id..).map(|(text, id)| analyzed(id, text)).collect();
        self.next_id += texts.len() as u64;
        let batch = crate::pipeline::Batch { tweets, ack: None, cursor: None, may_wait: false };
        unconstrained(self.stages.intake.send(batch)).now_or_never().expect("there is room").expect("it is taken");
        self.stages.turn();
    }

    fn handle(&mut self, command: Command, number: u32) {
        self.session.handle(command, Numbered(number, None));
    }

    /// Registers a query. Returns the events that do not wait for the loop, as text.
    fn percolate(&mut self, name: &str, text: &str, since: Option<Seq>, number: u32) -> String {
        let query = QuerySource::Input(QueryInput::Text(text.to_owned()));
        self.handle(
            Command::Percolate(PercolateCommand { query, name: Some(name.into()), since, epoch: None }),
            number,
        );
        let early = self.next(Demand::Replies);
        self.stages.turn();
        early
    }

    /// The events that are ready, as text.
    fn next(&mut self, demand: Demand) -> String {
        let mut events = Vec::new();
        while unconstrained(self.session.next(demand, &mut events)).now_or_never().is_some() {}
        events.iter().map(text).collect::<Vec<_>>().join(", ")
    }

    fn all(&mut self) -> String {
        self.next(Demand::All)
    }

    async fn stop(self) {
        drop(self.session);
        self.stages.stop().await;
    }
}

fn text(event: &ClientEvent<Numbered>) -> String {
    match event {
        ClientEvent::Tweet(delivery) => {
            let names: Vec<_> = delivery.names.iter().map(|name| name.as_deref().unwrap_or("-")).collect();
            let gone = if delivery.is_gone() { " gone" } else { "" };
            format!("{}{gone} for {}", delivery.hit.seq, names.join("+"))
        }
        ClientEvent::CatchingUp { from } => format!("catching up from {from}"),
        ClientEvent::Live { seq } => format!("live at {seq}"),
        ClientEvent::Withheld(Withheld { count, seq }) => format!("{count} withheld up to {seq}"),
        ClientEvent::Closed(reason) => format!("{reason:?}"),
        ClientEvent::Reply(reply) => {
            let number = reply.reference.0;
            match &reply.reply {
                Ok(Reply::Percolated(percolated)) => format!("#{number} percolated at {}", percolated.registration.seq),
                Ok(Reply::Unpercolated(_)) => format!("#{number} unpercolated"),
                Ok(Reply::Page { page, .. }) => format!("#{number} page of {}", page.total),
                Ok(Reply::Authenticated(token)) => format!("#{number} is {}", token.subject),
                Ok(Reply::Published(published)) => format!("#{number} published by {}", published.screen_name),
                Ok(Reply::Pong) => format!("#{number} pong"),
                Ok(reply) => format!("#{number} {reply:?}"),
                Err(error) => format!("#{number} {}", error.code.name()),
            }
        }
    }
}

fn page(text: &str) -> Command {
    Command::Search(SearchCommand::Page(PageCommand {
        query: QuerySource::Input(QueryInput::Text(text.to_owned())),
        n: 10,
        from: 0,
        before_id: None,
        until_seq: None,
        sort: Sort::Newest,
        watermark_of: None,
    }))
}

fn access_token(seconds: u64, rights: Rights) -> AccessToken {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    AccessToken { subject: "ann".to_owned(), expires_s: now.as_secs() + seconds, rights }
}

const ALL_RIGHTS: Rights = Rights { search: true, publish: true, max_subscriptions: None, searches: None };

fn error_of(reply: Result<(), ApiError>) -> &'static str {
    reply.map_or_else(|error| error.code.name(), |()| "ok")
}

#[tokio::test]
async fn the_reply_to_a_registration_stands_between_the_tweets_before_and_after_its_watermark() {
    let mut tested = Tested::open();
    assert_eq!(tested.percolate("a", "rust", None, 1), "");
    assert_eq!(tested.all(), "#1 percolated at 0");
    tested.tweets(&["rust", "rust", "java"]);
    // The tweets wait while the client registers, and others come behind its registration.
    assert_eq!(tested.percolate("b", "rust OR java", None, 2), "");
    tested.tweets(&["java", "rust"]);
    assert!(tested.session.is_busy());
    assert_eq!(tested.all(), "1 for a, 2 for a, #2 percolated at 3, 4 for b, 5 for a+b");
    assert!(!tested.session.is_busy());
    // The same name with another query, whose matches take the place of those that wait.
    tested.tweets(&["rust"]);
    assert_eq!(tested.percolate("a", "java", None, 3), "");
    tested.tweets(&["rust", "java"]);
    assert_eq!(tested.all(), "6 for b, #3 percolated at 6, 7 for b, 8 for a+b");
    tested.stop().await;
}

#[tokio::test]
async fn no_match_of_a_subscription_follows_the_reply_to_its_end() {
    let mut tested = Tested::open();
    assert_eq!(tested.percolate("a", "rust", None, 3), "");
    tested.handle(Command::Unpercolate(Some("a".into())), 4);
    assert_eq!(tested.all(), "#4 limit, #3 percolated at 0", "one registration at a time");
    tested.tweets(&["rust"]);
    tested.handle(Command::Unpercolate(Some("a".into())), 5);
    assert_eq!(tested.next(Demand::Replies), "");
    tested.tweets(&["rust"]);
    assert_eq!(tested.all(), "#5 unpercolated");
    tested.handle(Command::Unpercolate(Some("a".into())), 6);
    assert_eq!(tested.all(), "");
    tested.stages.turn();
    assert_eq!(tested.all(), "#6 not_found");
    tested.stop().await;
}

#[tokio::test]
async fn what_was_matched_before_a_command_comes_before_its_reply() {
    let mut tested = Tested::open();
    assert_eq!(tested.percolate("a", "rust", None, 1), "");
    assert_eq!(tested.all(), "#1 percolated at 0");
    tested.tweets(&["rust"]);
    tested.handle(Command::Ping, 2);
    tested.tweets(&["rust"]);
    assert_eq!(tested.all(), "1 for a, #2 pong, 2 for a");
    tested.tweets(&["rust"]);
    tested.handle(Command::Ping, 3);
    assert_eq!(tested.next(Demand::Replies), "#3 pong", "the client has enough to read");
    tested.handle(Command::Ping, 4);
    assert_eq!(tested.next(Demand::UntilBacklog), "3 for a, #4 pong");
    tested.stop().await;
}

#[tokio::test]
async fn a_session_that_resumes_is_told_before_it_catches_up() {
    let mut tested = Tested::open();
    tested.tweets(&["rust", "rust"]);
    assert_eq!(tested.percolate("a", "rust", Some(Seq::ZERO), 1), "");
    assert_eq!(tested.all(), "#1 percolated at 2, catching up from 0");
    tested.stages.read().await;
    tested.tweets(&["rust"]);
    tested.stages.read().await;
    assert_eq!(tested.all(), "1 for a, 2 for a");
    tested.stages.read().await;
    assert_eq!(tested.all(), "3 for a, live at 3");
    assert_eq!(tested.percolate("b", "rust", Some(Seq(9)), 2), "#2 unrecoverable");
    tested.stop().await;
}

#[tokio::test]
async fn a_shutdown_ends_a_session_behind_its_tweets() {
    let mut tested = Tested::open();
    assert_eq!(tested.percolate("a", "rust", None, 1), "");
    assert_eq!(tested.all(), "#1 percolated at 0");
    tested.tweets(&["rust"]);
    tested.handle(Command::Ping, 2);
    tested.stages.live.close();
    assert_eq!(tested.all(), "1 for a, #2 pong, ShuttingDown");
    assert_eq!(tested.all(), "");
    tested.stop().await;
}

#[tokio::test]
async fn searches_are_bounded_and_end_when_nobody_waits_for_them() {
    let mut tested = Tested::open();
    tested.tweets(&["rust"]);
    tested.handle(page("rust"), 1);
    tested.handle(page("rust"), 2);
    assert_eq!(tested.all(), "#2 limit", "one at a time");
    // A slow search delays neither replies nor tweets.
    tested.handle(Command::Ping, 3);
    assert_eq!(tested.all(), "#3 pong");
    tested.stages.read().await;
    assert_eq!(tested.all(), "#1 page of 1");
    let (cancel, cancelled) = oneshot::channel();
    tested.session.handle(page("rust"), Numbered(4, Some(cancelled)));
    assert_eq!(tested.all(), "");
    drop(cancel);
    assert_eq!(tested.all(), "", "no command waits for it");
    tested.handle(page("(rust"), 5);
    assert_eq!(tested.all(), "#5 bad_query", "the search before has made room");
    tested.stop().await;
}

#[tokio::test]
async fn a_search_may_name_the_query_of_a_subscription() {
    let mut tested = Tested::open();
    tested.tweets(&["rust", "java", "rust"]);
    let id = query("rust").id();
    let by_id = |id| {
        let Command::Search(SearchCommand::Page(page)) = page("") else { panic!("it is a page") };
        Command::Search(SearchCommand::Page(PageCommand { query: QuerySource::Subscribed(id), ..page }))
    };
    tested.handle(by_id(id), 1);
    assert_eq!(tested.all(), "#1 not_found", "nothing is registered");
    assert_eq!(tested.percolate("a", "rust", None, 2), "");
    assert_eq!(tested.all(), "#2 percolated at 3");
    for number in [4, 5] {
        tested.handle(by_id(id), number);
        assert_eq!(tested.all(), "");
        tested.stages.read().await;
        assert_eq!(tested.all(), format!("#{number} page of 2"));
    }
    tested.handle(Command::Unpercolate(Some("a".into())), 6);
    assert_eq!(tested.next(Demand::Replies), "");
    tested.stages.turn();
    assert_eq!(tested.all(), "#6 unpercolated");
    tested.handle(by_id(id), 7);
    assert_eq!(tested.all(), "#7 not_found");
    tested.stop().await;
}

#[tokio::test(start_paused = true)]
async fn tweets_above_the_rate_are_withheld_and_reported() {
    let mut tested =
        Tested::new(LimitsSection { pushes_per_second: 2, ..LimitsSection::default() }, Authorization::default());
    assert_eq!(tested.percolate("a", "rust", None, 1), "");
    assert_eq!(tested.all(), "#1 percolated at 0");
    tested.tweets(&["rust"; 5]);
    assert_eq!(tested.all(), "1 for a, 2 for a");
    advance(Duration::from_millis(999)).await;
    assert_eq!(tested.all(), "");
    advance(Duration::from_millis(1)).await;
    assert_eq!(tested.all(), "3 withheld up to 5");
    tested.tweets(&["rust"; 3]);
    assert_eq!(tested.all(), "6 for a, 7 for a");
    // Reported earlier when a tweet follows.
    advance(Duration::from_millis(600)).await;
    tested.tweets(&["rust"]);
    assert_eq!(tested.all(), "1 withheld up to 8, 9 for a");
    drop(tested.session);
    tested.stages.stop().await;
}

/// A client that resumes from the position of the notice would never learn of them.
#[tokio::test(start_paused = true)]
async fn withheld_tweets_are_reported_before_a_later_tweet_is_gone() {
    let limits = LimitsSection { pushes_per_second: 1, ..LimitsSection::default() };
    let mut tested = Tested::new(limits, Authorization::default());
    assert_eq!(tested.percolate("a", "rust", None, 1), "");
    assert_eq!(tested.all(), "#1 percolated at 0");
    let first_id = tested.next_id;
    tested.tweets(&["rust"; 2]);
    assert_eq!(tested.all(), "1 for a");
    tested.next_id = first_id;
    tested.tweets(&["java"]);
    assert_eq!(tested.all(), "1 withheld up to 2, 3 gone for a");
    tested.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_above_its_rate_of_commands_is_not_read() {
    let limits = LimitsSection { commands_per_second: 2, ..LimitsSection::default() };
    let mut tested = Tested::new(limits, Authorization::default());
    let start = Instant::now();
    assert!((0..4).all(|_| tested.session.charge(start)), "the burst");
    assert_eq!(tested.session.reads_paused_until(start), None);
    assert!(!tested.session.charge(start));
    let until = tested.session.reads_paused_until(start).expect("it is above its rate");
    assert_eq!(tested.session.reads_paused_until(until), None);
    assert!(tested.session.charge(until));
    assert!(!tested.session.charge_refusable(until));
    assert_eq!(tested.session.too_many_commands().code, Code::Limit);
    tested.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_with_its_token() {
    let mut tested = Tested::with_tokens();
    assert_eq!(error_of(tested.session.authenticate(access_token(60, ALL_RIGHTS))), "ok");
    advance(Duration::from_secs(50)).await;
    assert_eq!(tested.all(), "");
    // A renewal extends the session.
    assert_eq!(error_of(tested.session.authenticate(access_token(60, ALL_RIGHTS))), "ok");
    advance(Duration::from_secs(50)).await;
    assert_eq!(tested.next(Demand::Replies), "");
    advance(Duration::from_secs(10)).await;
    assert_eq!(tested.next(Demand::Replies), "Unauthorized", "also while the client takes nothing");
    assert_eq!(tested.all(), "");
    drop(tested.session);
    tested.stages.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_has_to_show_a_token_in_time() {
    let mut tested = Tested::with_tokens();
    assert!(!tested.session.is_authenticated());
    advance(Duration::from_millis(59_999)).await;
    tested.handle(Command::Auth(Token("nonsense".to_owned())), 1);
    assert_eq!(tested.all(), "#1 unauthorized");
    advance(Duration::from_millis(2)).await;
    assert_eq!(tested.all(), "Unauthorized");
    drop(tested.session);
    tested.stages.stop().await;
}

#[tokio::test]
async fn a_token_gives_rights_and_no_renewal_takes_them() {
    let mut tested = Tested::with_tokens();
    tested.handle(page("rust"), 1);
    tested.handle(Command::Ping, 2);
    let token = hs256(r#"{"sub":"ann","exp":32503680000,"max_subscriptions":1}"#);
    tested.handle(Command::Auth(Token(token)), 3);
    assert_eq!(tested.all(), "#1 unauthorized, #2 pong, #3 is ann");
    assert_eq!(tested.stages.live.sessions(), 1, "a session from now on");
    assert_eq!(tested.percolate("a", "rust", None, 4), "");
    assert_eq!(tested.all(), "#4 percolated at 0");
    assert_eq!(tested.percolate("b", "rust", None, 5), "#5 limit");
    tested.handle(Command::Publish(PublishCommand { text: "hello".to_owned(), lang: None, coordinates: None }), 6);
    assert_eq!(tested.all(), "#6 forbidden");
    let fewer = Rights { max_subscriptions: Some(0), ..ALL_RIGHTS };
    assert_eq!(error_of(tested.session.authenticate(access_token(60, fewer))), "forbidden");
    let other = AccessToken { subject: "bob".to_owned(), ..access_token(60, ALL_RIGHTS) };
    assert_eq!(error_of(tested.session.authenticate(other)), "forbidden");
    tested.stop().await;
}

#[tokio::test]
async fn a_published_tweet_is_durable_before_its_reply() {
    let limits = LimitsSection { publish_per_second: 1, ..LimitsSection::default() };
    let mut tested = Tested::new(limits, Authorization::default());
    let publish = || Command::Publish(PublishCommand { text: "hello".to_owned(), lang: None, coordinates: None });
    tested.handle(publish(), 1);
    assert_eq!(tested.all(), "#1 unauthorized");
    tested.session.set_trusted(true);
    tested.handle(publish(), 2);
    assert_eq!(tested.all(), "");
    tested.stages.turn();
    assert_eq!(tested.all(), "");
    tested.stages.commit();
    let mut events = Vec::new();
    tested.session.next(Demand::All, &mut events).await;
    assert!(text(&events[0]).starts_with("#2 published by guest_"), "{events:?}");
    tested.stop().await;
}
