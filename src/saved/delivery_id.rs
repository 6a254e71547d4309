//! The id of a delivery.

use serde::{Deserialize, Serialize};

/// The id of a delivery: of one receiver of one search. An id is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct DeliveryId(pub(super) u64);
