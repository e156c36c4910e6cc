//! The life of a volume: created, attached, grown, copied, through losses, to its deletion.

mod clone;
mod expansion;
mod latency;
mod salvage;
mod tickets;
mod whole_life;
