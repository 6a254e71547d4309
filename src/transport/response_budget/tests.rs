use axum::Router;
use axum::routing::get;
use http_body_util::BodyExt as _;
use tower_service::Service as _;

use super::*;
use crate::transport::access::Via;

fn budget(all_mb: usize, per_address_mb: usize, per_connection_mb: usize) -> ResponseBudget {
    budget_with(all_mb, per_address_mb, per_connection_mb, Duration::from_secs(600))
}

fn budget_with(
    all_mb: usize,
    per_address_mb: usize,
    per_connection_mb: usize,
    search_timeout: Duration,
) -> ResponseBudget {
    ResponseBudget::new(&LimitsSection {
        response_buffer_mb: all_mb,
        response_buffer_per_address_mb: per_address_mb,
        response_buffer_per_connection_mb: per_connection_mb,
        search_timeout,
        ..LimitsSection::default()
    })
}

/// A request of this connection from 10.0.0.`host`.
fn request(share: &ConnectionShare, host: u8) -> Request {
    let mut request = Request::new(Body::empty());
    request.extensions_mut().insert(share.clone());
    let address = IpAddr::from([10, 0, 0, host]);
    request.extensions_mut().insert(ClientAddress { address, via: Via::Direct });
    request
}

/// An answer of this size, as the layer lets it out.
async fn answer(budget: &ResponseBudget, share: &ConnectionShare, host: u8, kib: usize) -> Response {
    let budgets = ResponseBudgets { clients: budget.clone(), operation: budget_with(1, 1, 1, Duration::ZERO) };
    answer_of(&budgets, request(share, host), kib).await
}

async fn answer_of(budgets: &ResponseBudgets, request: Request, kib: usize) -> Response {
    let handler = move || async move { vec![0_u8; kib * 1024] };
    let layer = axum::middleware::from_fn_with_state(budgets.clone(), hold);
    let mut router = Router::new().route("/", get(handler)).route("/metrics", get(handler)).layer(layer);
    router.call(request).await.unwrap()
}

fn free_kib(budget: &ResponseBudget) -> usize {
    budget.0.all.available_permits()
}

#[tokio::test]
async fn an_answer_counts_until_its_last_byte_is_dropped() {
    let budget = budget(4, 4, 4);
    let share = ConnectionShare::default();
    let response = answer(&budget, &share, 1, 1024).await;
    assert_eq!((response.status().as_u16(), free_kib(&budget)), (200, 3 * 1024));
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let part = bytes.slice(10..20);
    drop(bytes);
    assert_eq!(free_kib(&budget), 3 * 1024, "a part holds the whole");
    drop(part);
    assert_eq!(free_kib(&budget), 4 * 1024);
    assert!(budget.0.addresses.len() == 0);
}

#[tokio::test]
async fn connection_address_and_all_have_their_bounds() {
    let budget = budget(4, 3, 2);
    let (first, second, other) = (ConnectionShare::default(), ConnectionShare::default(), ConnectionShare::default());
    let mut held = Vec::new();
    for (share, host, expected) in [
        (&first, 1, 200),
        (&first, 1, 200),
        // The connection has its two.
        (&first, 1, 503),
        (&second, 1, 200),
        // The address has its three.
        (&second, 1, 503),
        (&other, 2, 200),
        // All four are there.
        (&other, 2, 503),
    ] {
        let response = answer(&budget, share, host, 1024).await;
        assert_eq!(response.status().as_u16(), expected);
        if expected == 200 {
            held.push(response);
        } else {
            assert!(response.headers().contains_key("retry-after"));
        }
    }
    held.remove(0);
    assert_eq!(answer(&budget, &other, 2, 1024).await.status().as_u16(), 200, "there is room again");
}

#[tokio::test]
async fn one_answer_may_be_longer_than_its_connection_and_its_address_may_hold() {
    let budget = budget(8, 2, 1);
    let share = ConnectionShare::default();
    let long = answer(&budget, &share, 1, 7 * 1024).await;
    assert_eq!((long.status().as_u16(), free_kib(&budget)), (200, 1024));
    assert_eq!(answer(&budget, &share, 1, 3).await.status().as_u16(), 503);
    assert_eq!(answer(&budget, &share, 1, 1).await.status().as_u16(), 200, "short ones are always sent");
    drop(long);
    let too_long = answer(&budget, &share, 1, 9 * 1024).await;
    assert_eq!(too_long.status().as_u16(), 429);
}

#[tokio::test]
async fn a_search_waits_for_room_and_gives_back_what_it_does_not_need() {
    let budget = budget(8, 8, 4);
    let share = ConnectionShare::default();
    let slot = budget.slot(&request(&share, 1));
    // All of the connection.
    slot.reserve(2_000).await.unwrap();
    assert_eq!(free_kib(&budget), 4 * 1024);
    let next = budget.slot(&request(&share, 1));
    let waiting = tokio::spawn(async move { next.reserve(1).await.map(|()| next) });
    let response = slot.hold(Response::new(Body::from(vec![0; 100 * 1024])));
    let next = waiting.await.unwrap().unwrap();
    assert_eq!(free_kib(&budget), 8 * 1024 - 100 - TWEET_KIB);
    drop((response, next));
    assert_eq!(free_kib(&budget), 8 * 1024);
}

#[tokio::test(start_paused = true)]
async fn a_search_that_waits_for_too_long_is_refused() {
    let budget = budget_with(8, 8, 4, Duration::from_secs(10));
    let share = ConnectionShare::default();
    let slot = budget.slot(&request(&share, 1));
    slot.reserve(2_000).await.unwrap();
    let asked = tokio::time::Instant::now();
    let error = budget.slot(&request(&share, 1)).reserve(1).await.unwrap_err();
    assert_eq!(asked.elapsed(), Duration::from_secs(10));
    assert_eq!(error.code, Code::Unavailable);
    drop(slot);
    assert_eq!((free_kib(&budget), budget.0.addresses.len()), (8 * 1024, 0));
}

#[tokio::test]
async fn the_metrics_are_shown_when_there_is_room_for_nothing_else() {
    let limits = LimitsSection {
        response_buffer_mb: 1,
        response_buffer_per_address_mb: 1,
        response_buffer_per_connection_mb: 1,
        ..LimitsSection::default()
    };
    let budgets = ResponseBudgets::new(&limits);
    let (first, second) = (ConnectionShare::default(), ConnectionShare::default());
    let held = answer_of(&budgets, request(&first, 1), 1024).await;
    assert_eq!(held.status().as_u16(), 200);
    assert_eq!(answer_of(&budgets, request(&second, 2), 10).await.status().as_u16(), 503);
    let mut metrics = request(&second, 2);
    *metrics.uri_mut() = "/metrics".parse().unwrap();
    assert_eq!(answer_of(&budgets, metrics, 10).await.status().as_u16(), 200);
    drop(held);
}

#[tokio::test]
async fn a_share_is_not_more_than_the_whole() {
    let shares = |budget: ResponseBudget| [budget.0.all_kib, budget.0.per_address_kib, budget.0.per_connection_kib];
    assert_eq!(shares(budget(8, 64, 16)), [8 * 1024; 3]);
    assert_eq!(shares(budget(8, 2, 16)), [8 * 1024, 2 * 1024, 2 * 1024]);
}

#[tokio::test]
async fn an_answer_whose_room_is_kept_is_not_refused() {
    let budget = budget(2, 1, 1);
    let slot = |host| budget.slot(&request(&ConnectionShare::default(), host));
    let (first, second) = (slot(1), slot(1));
    let bytes = 768 * 1024;
    assert!(first.reserve_now(bytes));
    assert!(!second.reserve_now(bytes), "the address has its share");
    assert!(second.reserve_now(1024), "a short one needs none");
    let other = slot(2).hold(Response::new(Body::from(vec![0_u8; 1024 * 1024])));
    let response = first.hold(Response::new(Body::from(vec![0_u8; bytes])));
    assert_eq!((response.status().as_u16(), other.status().as_u16()), (200, 200));
    assert_eq!(free_kib(&budget), 256);
    drop((response, other));
    assert!(second.reserve_now(bytes));
    drop(second);
    assert_eq!(free_kib(&budget), 2 * 1024, "no answer waits");
    assert!(slot(1).reserve_now(3 * 1024 * 1024), "one that never finds room is refused as ever");
}
