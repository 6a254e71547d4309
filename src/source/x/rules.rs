//! The rules at X, which say what the stream sends.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, anyhow};
use serde_json::json;
use url::Url;

use super::HTTP_BACKOFF;
use crate::source::http::{HttpClient, host_of, read_body, reason_in};
use crate::tweet::json::{Json, Value};

/// The longest answer.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Rules of one request.
const MAX_ADDED: usize = 100;

/// The rules of an app, which may have others than perch's.
pub(super) struct Rules<'a> {
    pub(super) http: &'a HttpClient,
    pub(super) url: Url,
    /// The tag of perch's rules.
    pub(super) tag: &'a str,
}

/// A rule at X.
struct Rule {
    id: String,
    value: String,
    tag: Option<String>,
}

impl Rules<'_> {
    /// Makes perch's rules at X those that are wanted: deletes the others with its tag, and adds
    /// the missing ones.
    ///
    /// # Errors
    ///
    /// X does not answer, or refuses a rule.
    pub(super) async fn keep_in_step(&self, wanted: &BTreeSet<String>, source: &str) -> anyhow::Result<()> {
        let mut missing: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
        let mut obsolete = Vec::new();
        let mut others = BTreeMap::new();
        for Rule { id, value, tag } in self.list().await? {
            if tag.as_deref() != Some(self.tag) {
                others.insert(value, tag);
            } else if !missing.remove(&*value) {
                obsolete.push(id);
            }
        }
        // X takes no rule twice.
        for (value, tag) in &others {
            if missing.remove(&**value) {
                tracing::warn!(source, rule = value, ?tag, "a rule with another tag is the same; perch uses it");
            }
        }
        if !obsolete.is_empty() {
            self.change(&json!({"delete": {"ids": obsolete}})).await?;
        }
        let missing: Vec<&str> = missing.into_iter().collect();
        for values in missing.chunks(MAX_ADDED) {
            let added: Vec<_> = values.iter().map(|value| json!({"value": value, "tag": self.tag})).collect();
            self.change(&json!({"add": added})).await?;
        }
        if obsolete.len() + missing.len() > 0 {
            tracing::info!(source, added = missing.len(), deleted = obsolete.len(), "rules changed");
        }
        Ok(())
    }

    async fn list(&self) -> anyhow::Result<Vec<Rule>> {
        let mut rules = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut url = self.url.clone();
            if let Some(next) = &next {
                url.query_pairs_mut().append_pair("pagination_token", next);
            }
            let response = self.http.get(&url, "the rules").await?;
            let body = self.text(read_body(response, host_of(&self.url), MAX_ANSWER_BYTES).await?)?;
            let json = self.json(&body)?;
            let text = |rule: Value<'_>, key| rule.get(key).and_then(Value::str).map(std::borrow::Cow::into_owned);
            let found = json.root().get("data").into_iter().flat_map(Value::items).filter_map(|rule| {
                Some(Rule { id: text(rule, "id")?, value: text(rule, "value")?, tag: text(rule, "tag") })
            });
            rules.extend(found);
            let following = json.root().path(&["meta", "next_token"]).and_then(Value::str);
            match following.map(std::borrow::Cow::into_owned).filter(|token| next.as_ref() != Some(token)) {
                Some(token) => next = Some(token),
                None => return Ok(rules),
            }
        }
    }

    async fn change(&self, change: &serde_json::Value) -> anyhow::Result<()> {
        let host = host_of(&self.url);
        let response = self.http.post(&self.url, change, "the changed rules").await?;
        let body = self.text(read_body(response, host, MAX_ANSWER_BYTES).await?)?;
        let json = self.json(&body)?;
        for error in json.root().get("errors").into_iter().flat_map(Value::items) {
            let is_known = error.get("title").and_then(Value::str).is_some_and(|title| title == "DuplicateRule");
            if !is_known {
                let reason = reason_in(error.raw().as_bytes()).unwrap_or_else(|| "without a reason".to_owned());
                return Err(HTTP_BACKOFF.of(&anyhow!("{host} refuses a rule: {reason}")));
            }
        }
        Ok(())
    }

    fn text(&self, body: Vec<u8>) -> anyhow::Result<String> {
        String::from_utf8(body).with_context(|| format!("{} answers with what is no text", host_of(&self.url)))
    }

    fn json<'t>(&self, body: &'t str) -> anyhow::Result<Json<'t>> {
        let json = Json::parse(body).ok().filter(|json| json.root().is_object());
        let host = host_of(&self.url);
        json.ok_or_else(|| HTTP_BACKOFF.of(&anyhow!("{host} answers with something else than rules")))
    }
}
