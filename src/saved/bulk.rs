//! Many searches saved at once.
//!
//! ```text
//! line ──> Prepared ──┬── New ──> one command to the loop, one change of the file
//!                     └── Alone ──> as a PUT
//! ```
//!
//! Most lines of an import are searches of new names whose queries parse in microseconds. They
//! share a command to the pipeline's loop and a transaction. perch saves all others one by one, as
//! `PUT` does.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::StreamExt as _;
use jiff::Timestamp;

use super::delivery_id::DeliveryId;
use super::pacing::millis;
use super::receivers::Destination;
use super::registry::{Entry, Registry, client_of};
use super::running::Start;
use super::spec::{StoredSearch, next_revision};
use super::store::{Change, NewSearch, Position};
use super::{Expected, Owner, SavedSearches, SearchRequest, check_name, to_the_end};
use crate::live::{ApiError, LiveError, QueryInput, Registration, Session, UseOf};
use crate::query::Query;

/// How many searches that are saved one by one are under way at one time. They share transactions.
const AT_ONE_TIME: usize = 64;

/// A search that is checked, to be saved by [`SavedSearches::put_all`].
pub(crate) enum Prepared {
    /// A search of a new name.
    New(Box<NewRequest>),
    /// A search that is saved as a `PUT` does: it is there already, begins in the past, or its
    /// query takes long to parse.
    Alone(String, Box<SearchRequest>),
}

/// A search of a new name, with what can be made of it before its turn.
pub(crate) struct NewRequest {
    name: Arc<str>,
    search: StoredSearch,
    json: Vec<u8>,
    query: Query,
    destinations: Vec<Destination>,
}

impl Prepared {
    fn name(&self) -> &str {
        match self {
            Prepared::New(new) => &new.name,
            Prepared::Alone(name, _) => name,
        }
    }

    fn into_request(self) -> (String, SearchRequest) {
        match self {
            Prepared::New(new) => {
                (new.name.as_ref().to_owned(), SearchRequest { spec: new.search.spec, since: None, epoch: None })
            }
            Prepared::Alone(name, request) => (name, *request),
        }
    }
}

impl SavedSearches {
    /// Checks a search that is about to be saved. Takes some time of the processor.
    ///
    /// # Errors
    ///
    /// A field is wrong, or the query is.
    pub(crate) fn prepare(&self, name: String, request: SearchRequest, owner: &Owner) -> Result<Prepared, ApiError> {
        check_name(&name)?;
        let registry = &self.0;
        let input = QueryInput::read("query", request.spec.query.clone())?;
        let begins_now = request.since.is_none() && request.epoch.is_none();
        let parsed = registry.queries.parse_at_once(&input, UseOf::Registration);
        let (true, Some(parsed), false) = (begins_now, parsed, registry.entries().by_name.contains_key(name.as_str()))
        else {
            return Ok(Prepared::Alone(name, Box::new(request)));
        };
        let mut spec = request.spec;
        spec.unmask(None)?;
        let destinations = registry.destinations(&spec)?;
        let query = parsed?.query;
        let first = registry.next_id.fetch_add(destinations.len() as u64, Ordering::Relaxed);
        let now = millis(Timestamp::now());
        let search = StoredSearch {
            owner: owner.subject.as_ref().to_owned(),
            created_ms: now,
            changed_ms: now,
            revision: next_revision(None),
            paused_because: None,
            refused: Vec::new(),
            feed_token: None,
            since: None,
            unsubscribed: Vec::new(),
            deliveries: (first..).take(destinations.len()).map(DeliveryId).collect(),
            spec,
        };
        let json = serde_json::to_vec(&search).expect("a search is made of JSON");
        Ok(Prepared::New(Box::new(NewRequest { name: name.into(), search, json, query, destinations })))
    }

    /// Saves searches as if each had been `PUT`, in this order. They are durable when this returns.
    /// The results have the order of the searches, and say which are new.
    ///
    /// # Errors
    ///
    /// Those of [`SavedSearches::put`], of each search.
    pub(crate) async fn put_all(
        &self,
        searches: Vec<Prepared>,
        owner: &Owner,
    ) -> Result<Vec<Result<bool, ApiError>>, ApiError> {
        let (inner, owner) = (Arc::clone(&self.0), owner.clone());
        to_the_end(async move { Ok(inner.put_all(searches, &owner).await) }).await
    }
}

/// The results of the searches of a call, by their places.
struct Results(Vec<Option<Result<bool, ApiError>>>);

impl Results {
    fn set(&mut self, at: usize, result: Result<bool, ApiError>) {
        self.0[at] = Some(result);
    }
}

impl Registry {
    async fn put_all(self: &Arc<Registry>, searches: Vec<Prepared>, owner: &Owner) -> Vec<Result<bool, ApiError>> {
        let mut results = Results(searches.iter().map(|_| None).collect());
        let (mut new, mut alone, mut again, mut names) = (Vec::new(), Vec::new(), Vec::new(), HashSet::new());
        for (at, search) in searches.into_iter().enumerate() {
            if !names.insert(search.name().to_owned()) {
                again.push((at, search));
                continue;
            }
            match search {
                Prepared::New(search) => new.push((at, *search)),
                search @ Prepared::Alone(..) => alone.push((at, search)),
            }
        }
        alone.extend(self.add_all(new, owner, &mut results).await);
        let put = |(at, search)| self.put_alone(at, search, owner);
        let mut saving = futures_util::stream::iter(alone).map(put).buffer_unordered(AT_ONE_TIME);
        while let Some((at, result)) = saving.next().await {
            results.set(at, result);
        }
        // A name that comes again changes the search that it has added.
        for (at, search) in again {
            let (at, result) = self.put_alone(at, search, owner).await;
            results.set(at, result);
        }
        results.0.into_iter().flatten().collect()
    }

    /// Saves a search as a `PUT` does. Returns its place, and whether it is new.
    async fn put_alone(
        self: &Arc<Registry>,
        at: usize,
        search: Prepared,
        owner: &Owner,
    ) -> (usize, Result<bool, ApiError>) {
        let (name, request) = search.into_request();
        let saved = self.put(&name, request, owner, &Expected::Any).await;
        (at, saved.map(|(_, is_new)| is_new))
    }

    /// Adds searches of different names. Returns those whose names are taken.
    async fn add_all(
        self: &Arc<Registry>,
        searches: Vec<(usize, NewRequest)>,
        owner: &Owner,
        results: &mut Results,
    ) -> Vec<(usize, Prepared)> {
        let _turns = self.all_turns().await;
        let _floor_stays = self.floor_turn.read().await;
        let (mut taken, mut adding) = (Vec::new(), Vec::new());
        for (at, search) in searches {
            if self.entries().by_name.contains_key(&search.name) {
                taken.push((at, Prepared::New(Box::new(search))));
                continue;
            }
            match self.check_quota(&owner.subject, adding.len()) {
                Ok(()) => adding.push((at, search)),
                Err(error) => results.set(at, Err(error)),
            }
        }
        let client = &client_of(&owner.subject);
        let of_search =
            |(_, search): &(usize, NewRequest)| vec![(client.clone(), search.query.clone()); search.destinations.len()];
        let queries = adding.iter().flat_map(of_search).collect();
        let mut sessions = match self.live.subscribe_all(queries).await {
            Ok(sessions) => sessions.into_iter(),
            Err(error) => {
                adding.iter().for_each(|(at, _)| results.set(*at, Err(error.clone().into())));
                return taken;
            }
        };
        let (mut rows, mut added) = (Vec::with_capacity(adding.len()), Vec::with_capacity(adding.len()));
        for (at, mut search) in adding {
            let sessions: Vec<_> = sessions.by_ref().take(search.destinations.len()).collect();
            match starts(&mut search, sessions) {
                Ok(starts) => {
                    let positions = starts.iter().map(|start| (start.id, start.position)).collect();
                    let (name, json) = (Arc::clone(&search.name), std::mem::take(&mut search.json));
                    rows.push(NewSearch { name, json, positions });
                    added.push((at, search, starts));
                }
                Err(error) => results.set(at, Err(error.into())),
            }
        }
        if let Err(error) = self.store.change(Change::Add(rows)).await {
            added.iter().for_each(|(at, ..)| results.set(*at, Err(error.clone().into())));
            return taken;
        }
        let subject = self.entries().owner(&owner.subject);
        for (at, NewRequest { name, search, query, .. }, starts) in added {
            let deliveries = starts.into_iter().map(|start| self.start(&name, &subject, &query, start)).collect();
            let entry = Entry::new(&search, Arc::clone(&subject), Some(query.id()), deliveries);
            self.entries().insert(name, entry);
            results.set(at, Ok(true));
        }
        taken
    }
}

/// The deliveries of a search, which these sessions have registered.
fn starts(
    search: &mut NewRequest,
    sessions: Vec<Result<(Session, Registration), LiveError>>,
) -> Result<Vec<Start>, LiveError> {
    let sessions: Vec<_> = sessions.into_iter().collect::<Result<_, _>>()?;
    let is_paused = search.search.spec.paused;
    let destinations = std::mem::take(&mut search.destinations).into_iter().zip(&search.search.deliveries);
    let start =
        |((destination, id), (session, registration)): ((Destination, &DeliveryId), (Session, Registration))| {
            let follows_floor = !is_paused && destination.pacing.is_none();
            let position = Position { seq: registration.seq, follows_floor, ..Position::default() };
            let session = (!is_paused).then(|| Box::new(session));
            Start { id: *id, position, pacing: None, destination, session, is_paused }
        };
    Ok(destinations.zip(sessions).map(start).collect())
}
