//! Tickets of controllers: a volume is wanted on a node for as long as a controller works on it, and let go afterwards.
//!
//! Not built yet.
