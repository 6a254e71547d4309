//! An answer's body that holds a connection's slot until the answer has ended.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::live::AddressSlot;

/// A body with a connection's slot.
pub(in crate::transport) struct HeldBody {
    body: Body,
    _slot: Arc<AddressSlot>,
}

impl HeldBody {
    /// This body, holding the slot.
    pub(in crate::transport) fn new(body: Body, slot: Arc<AddressSlot>) -> HeldBody {
        HeldBody { body, _slot: slot }
    }
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
