//! perch as its clients see it: the real application on a port of its own, in this process or as
//! the binary.

mod support;

mod access;
mod auth;
mod bench;
mod binary;
mod bluesky;
mod bulk;
mod cases;
#[cfg(unix)]
mod command_line;
mod compression;
mod damage;
mod durability;
mod early_answers;
mod examples;
mod export;
mod fairness;
mod feeds;
mod file_source;
mod flow_control;
mod gone;
mod ingest;
mod live;
mod mastodon;
mod openapi;
mod page;
mod patterns;
mod post;
mod power_cut;
mod proxies;
mod query_page;
mod rest;
mod saved;
mod seam;
mod security;
mod sente;
mod sente_client;
mod shutdown;
#[cfg(unix)]
mod signals;
mod slow;
mod sse;
mod suggest;
mod tls;
mod ws;
mod x;
