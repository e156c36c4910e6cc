//! What a browser gets: the login page, the page shell that loads the dashboard, its assets, and the headers around them.

pub mod assets;
pub mod connections;
pub(crate) mod encoding;
mod first_view;
pub mod html;
pub mod limits;
pub mod live;
pub mod login_page;
pub mod nonce;
pub mod pieces;
pub mod request_url;
pub mod schemas_header;
pub mod security_headers;
pub mod shell;
pub mod words;
