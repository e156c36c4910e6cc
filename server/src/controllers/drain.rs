//! Draining: whether a node may be emptied under the policy of the settings, and why not.
//!
//! Not built yet.
