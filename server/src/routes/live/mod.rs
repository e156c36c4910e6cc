//! WebSockets: ours (`/v1/ws/live`) and Longhorn's (`/v1/ws/{period}/{resource}`).

pub mod changes;
pub mod lists;
