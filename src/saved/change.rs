//! Changes of saved searches, one of a search at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::delivery::{RunningDelivery, stop_all};
use super::delivery_id::DeliveryId;
use super::mail::address_of_key;
use super::pacing::millis;
use super::receiver::WrongField;
use super::receivers::Destination;
use super::registry::{Entry, Registry};
use super::running::Start;
use super::spec::{SearchSpec, StoredSearch, next_revision};
use super::status::DeliveryState;
use super::store::{Change, Position};
use super::unsubscribe::Recipient;
use super::view::SavedSearch;
use super::{Expected, Owner, SearchRequest, check_expected, check_name, not_found};
use crate::ids::Seq;
use crate::live::{ApiError, Code, LiveError, Percolate};
use crate::telemetry;

impl Registry {
    pub(super) async fn put(
        self: &Arc<Registry>,
        name: &str,
        request: SearchRequest,
        owner: &Owner,
        expected: &Expected,
    ) -> Result<(SavedSearch, bool), ApiError> {
        check_name(name)?;
        let SearchRequest { mut spec, since, epoch } = request;
        let _turn = self.turn(name).await;
        let old = self.stored(name).await?;
        if let Some(old) = &old
            && !owner.owns(&old.owner)
        {
            return Err(ApiError::forbidden("the saved search belongs to another owner"));
        }
        check_expected(expected, old.as_ref().map(|old| old.revision))?;
        spec.unmask(old.as_ref().map(|old| &old.spec))?;
        let destinations = self.destinations(&spec)?;
        let unsubscribed = old.as_ref().map(|old| old.unsubscribed.clone()).unwrap_or_default();
        let destinations = without_unsubscribed(&mut spec, destinations, &unsubscribed);
        let (query, warnings) = self.parse(&spec, owner).await?;
        let asked_since = since.map(|since| (since, epoch.clone()));
        // A search that began after this position is not begun anew.
        let is_begun = asked_since.is_none() || old.as_ref().is_some_and(|old| old.since == asked_since);
        if let Some(old) = &old
            && old.spec == spec
            && old.paused_because.is_none()
            && old.refused.is_empty()
            && is_begun
            && !self.has_given_up(name)
        {
            let view = self.view_of(name, old.clone()).ok_or_else(|| not_found(name))?;
            return Ok((SavedSearch { warnings, ..view }, false));
        }
        let subject = old.as_ref().map_or_else(|| Arc::clone(&owner.subject), |old| self.entries().owner(&old.owner));
        if old.is_none() {
            self.check_quota(&subject, 0)?;
        }
        let epoch = match epoch {
            Some(epoch) => {
                Some(epoch.parse().map_err(|_| ApiError::field("epoch", "must be the epoch of a position"))?)
            }
            None => None,
        };
        // A delivery to the same receiver goes on where it is, unless the search starts anew.
        let is_same_query = self.entries().by_name.get(name).is_some_and(|entry| entry.query == Some(query.id()));
        let goes_on = is_same_query && is_begun;
        let old_receivers = match &old {
            Some(old) if goes_on => old.spec.destinations().unwrap_or_default(),
            _ => Vec::new(),
        };
        let old_ids = old.as_ref().map(|old| old.deliveries.clone()).unwrap_or_default();
        let mut kept: HashMap<String, DeliveryId> =
            std::iter::zip(&old_receivers, &old_ids).map(|(old, id)| (old.receiver.key(), *id)).collect();
        let (mut starts, mut new_positions) = (Vec::new(), Vec::new());
        let _floor_stays = self.floor_turn.read().await;
        for destination in destinations {
            let id = kept.remove(&destination.receiver.key());
            if let Some(id) = id {
                starts.push(Start {
                    id,
                    position: Position::default(),
                    pacing: None,
                    destination,
                    session: None,
                    is_paused: spec.paused,
                });
                continue;
            }
            let id = DeliveryId(self.next_id.fetch_add(1, Ordering::Relaxed));
            let mut session = self.live_of(&subject).connect_unadmitted();
            let request = |since| Percolate { query: query.clone(), name: None, since, epoch };
            let mut since = since.map(Seq);
            let registration = match session.percolate(request(since)).await {
                // 0 is everything that the index has.
                Err(LiveError::Unrecoverable { since: first, .. }) if since == Some(Seq::ZERO) && epoch.is_none() => {
                    since = Some(first);
                    session.percolate(request(since)).await?
                }
                registration => registration?,
            };
            if since.is_some() {
                session.begin_first();
            }
            let seq = since.unwrap_or(registration.seq);
            let follows_floor = since.is_none() && !spec.paused && destination.pacing.is_none();
            let position = Position { seq, follows_floor, ..Position::default() };
            new_positions.push((id, position));
            let session = (!spec.paused).then(|| Box::new(session));
            starts.push(Start { id, position, pacing: None, destination, session, is_paused: spec.paused });
        }
        if starts.is_empty()
            && let Some(since) = since.filter(|since| *since > 0 || epoch.is_some())
        {
            // It says whether there is such a position.
            let request = Percolate { query: query.clone(), name: None, since: Some(Seq(since)), epoch };
            self.live_of(&subject).connect_unadmitted().percolate(request).await?;
        }
        let ids: Vec<_> = starts.iter().map(|start| start.id).collect();
        let now = millis(Timestamp::now());
        let search = StoredSearch {
            owner: subject.as_ref().to_owned(),
            created_ms: old.as_ref().map_or(now, |old| old.created_ms),
            changed_ms: now,
            revision: next_revision(old.as_ref().map(|old| old.revision)),
            paused_because: None,
            refused: Vec::new(),
            feed_token: old.as_ref().and_then(|old| old.feed_token.clone()),
            since: asked_since.or_else(|| old.as_ref().filter(|_| goes_on).and_then(|old| old.since.clone())),
            unsubscribed,
            deliveries: ids.clone(),
            spec,
        };
        let removed = old_ids.into_iter().filter(|id| !ids.contains(id)).collect();
        let name: Arc<str> = name.into();
        let change = Change::Put {
            name: Arc::clone(&name),
            search: Box::new(search.clone()),
            positions: new_positions,
            removed,
        };
        self.store.change(change).await?;
        let stopped = self.take_deliveries(&name);
        let statuses: HashMap<_, _> = stopped.iter().map(|it| (it.id(), Arc::clone(&it.status))).collect();
        stop_all(stopped).await;
        let starts = starts.into_iter().map(|start| match statuses.get(&start.id) {
            // Its owner has looked at it: it counts as not failing.
            Some(status) => {
                let status = status.lock();
                let position = Position { failing_since_ms: None, ..status.position };
                let pacing = status.pacing.as_deref().copied();
                self.store.note(Change::Move(start.id, position));
                Start { position, pacing, ..start }
            }
            None => start,
        });
        let deliveries = starts.map(|start| self.start(&name, &subject, &query, start)).collect();
        let entry = Entry::new(&search, subject, Some(query.id()), deliveries);
        self.entries().insert(Arc::clone(&name), entry);
        let view = self.view_of(&name, search).ok_or_else(|| not_found(&name))?;
        Ok((SavedSearch { warnings, ..view }, old.is_none()))
    }

    pub(super) async fn remove(&self, name: &str, owner: &Owner, expected: &Expected) -> Result<(), ApiError> {
        let _turn = self.turn(name).await;
        let revision = self.check_owner(name, owner)?;
        check_expected(expected, Some(revision))?;
        let ids = |entry: &Entry| entry.deliveries.iter().map(RunningDelivery::id).collect();
        let removed = self.entries().by_name.get(name).map(ids).unwrap_or_default();
        self.store.change(Change::Remove { name: name.into(), removed }).await?;
        let entry = self.entries().remove(name);
        if let Some(entry) = entry {
            stop_all(entry.deliveries).await;
        }
        Ok(())
    }

    /// Pauses a delivery whose receiver wants no more.
    pub(super) async fn pause(&self, name: &str, id: DeliveryId, reason: String) {
        let _turn = self.turn(name).await;
        let Ok(Some(mut search)) = self.stored(name).await else { return };
        if !search.deliveries.contains(&id) || search.spec.paused {
            return;
        }
        tracing::info!(search = name, reason, "a delivery of a saved search is paused");
        search.refused.retain(|(other, _)| *other != id);
        search.refused.push((id, reason.clone()));
        let is_refused = |id: &DeliveryId| search.refused.iter().any(|(other, _)| other == id);
        // Without a receiver that goes on, the search is paused.
        let is_paused = search.deliveries.iter().all(is_refused);
        search.spec.paused = is_paused;
        search.paused_because = is_paused.then(|| reason.clone());
        search.revision = next_revision(Some(search.revision));
        let revision = search.revision;
        let change =
            Change::Put { name: name.into(), search: Box::new(search), positions: Vec::new(), removed: Vec::new() };
        if self.store.change(change).await.is_err() {
            return;
        }
        if let Some(entry) = self.entries().by_name.get_mut(name) {
            (entry.is_paused, entry.revision) = (is_paused, revision);
            if let Some(delivery) = entry.deliveries.iter_mut().find(|delivery| delivery.id() == id) {
                delivery.pause();
                let mut status = delivery.status.lock();
                self.leave_floor(delivery, &mut status);
                status.state = DeliveryState::Paused { reason };
            }
        }
    }

    /// Removes a recipient of mails from a search, for as long as there is the search.
    ///
    /// # Errors
    ///
    /// The search is gone, or the change can't be stored.
    pub(super) async fn unsubscribe(&self, Recipient { search: name, address }: Recipient) -> Result<(), ApiError> {
        let name: Arc<str> = name.into();
        let _turn = self.turn(&name).await;
        let gone = || ApiError::new(Code::NotFound, "the search of this link is gone, and sends no more mails");
        let mut search = self.stored(&name).await?.ok_or_else(gone)?;
        let is_recipient =
            |destination: &Destination| address_of_key(&destination.receiver.key()) == Some(address.as_str());
        let at = search.spec.destinations().unwrap_or_default().iter().position(is_recipient);
        let is_known = search.unsubscribed.contains(&address);
        let removed: Vec<_> = match at {
            Some(at) => {
                search.spec.deliver.remove(at);
                vec![search.deliveries.remove(at)]
            }
            None if is_known => return Ok(()),
            None => Vec::new(),
        };
        if !is_known {
            search.unsubscribed.push(address);
        }
        search.refused.retain(|(id, _)| !removed.contains(id));
        search.revision = next_revision(Some(search.revision));
        search.changed_ms = millis(Timestamp::now());
        let revision = search.revision;
        let search = Box::new(search);
        let gone = removed.clone();
        self.store.change(Change::Put { name: Arc::clone(&name), search, positions: Vec::new(), removed }).await?;
        let stopped: Vec<_> = match self.entries().by_name.get_mut(&name) {
            Some(entry) => {
                entry.revision = revision;
                entry.deliveries.extract_if(.., |delivery| gone.contains(&delivery.id())).collect()
            }
            None => Vec::new(),
        };
        tracing::info!(search = &*name, "a recipient has unsubscribed from a saved search");
        stop_all(stopped).await;
        Ok(())
    }

    /// Builds the receivers of a search that is saved, if the configuration allows them.
    pub(super) fn destinations(&self, spec: &SearchSpec) -> Result<Vec<Destination>, ApiError> {
        let destinations = spec.destinations()?;
        for (at, destination) in destinations.iter().enumerate() {
            let wrong = |WrongField(field, what): WrongField| ApiError::field(&format!("deliver[{at}].{field}"), &what);
            destination.receiver.check(&self.client).map_err(wrong)?;
        }
        Ok(destinations)
    }

    /// Whether an owner may add a search. `adding`: others of its searches that are about to be
    /// added.
    pub(super) fn check_quota(&self, owner: &str, adding: usize) -> Result<(), ApiError> {
        let entries = self.entries();
        let of_owner = || entries.by_owner.get(owner).copied().unwrap_or(0) + adding;
        let message = if entries.by_name.len() + adding >= self.limits.all {
            format!("all {} saved searches are taken (limits.max_saved_searches)", self.limits.all)
        } else if !owner.is_empty() && of_owner() >= self.limits.per_owner {
            format!(
                "an owner has at most {} saved searches (limits.max_saved_searches_per_owner)",
                self.limits.per_owner
            )
        } else {
            return Ok(());
        };
        telemetry::turned_away("saved_searches");
        Err(ApiError::new(Code::Limit, message))
    }

    /// Takes the deliveries out of a search that is about to be replaced.
    fn take_deliveries(&self, name: &str) -> Vec<RunningDelivery> {
        let mut entries = self.entries();
        let deliveries = entries.by_name.get_mut(name).map(|entry| std::mem::take(&mut entry.deliveries));
        let deliveries = deliveries.unwrap_or_default();
        for delivery in &deliveries {
            // The floor rises without them.
            self.leave_floor(delivery, &mut delivery.status.lock());
        }
        deliveries
    }

    /// Whether perch tries a delivery of the search no more.
    fn has_given_up(&self, name: &str) -> bool {
        let gave_up = |delivery: &RunningDelivery| {
            matches!(delivery.status.lock().state, DeliveryState::Failing { next_try_ms: None, .. })
        };
        self.entries().by_name.get(name).is_some_and(|entry| entry.deliveries.iter().any(gave_up))
    }
}

/// Takes out the receivers of mails that have unsubscribed.
fn without_unsubscribed(
    spec: &mut SearchSpec,
    destinations: Vec<Destination>,
    unsubscribed: &[String],
) -> Vec<Destination> {
    let is_left = |destination: &Destination| {
        let key = destination.receiver.key();
        address_of_key(&key).is_none_or(|address| unsubscribed.iter().all(|it| it != address))
    };
    let rows = std::iter::zip(std::mem::take(&mut spec.deliver), destinations);
    let (deliver, destinations) = rows.filter(|(_, destination)| is_left(destination)).unzip();
    spec.deliver = deliver;
    destinations
}
