//! `#[derive(Described)]`: a shape of the API describes itself, with the names that serde gives its fields.
//!
//! 1. [`serde_attributes`] — reads what decides about the JSON form; what it does not know does not compile, so that a
//!    description can't say something else than the wire;
//! 2. [`schema_attributes`] — reads what only a description needs: `#[schema(…)]`;
//! 3. [`shape`] — a struct becomes a `Shape`; 4. [`words`] — an enum of unit variants becomes text with its words.
//!
//! What `#[schema(…)]` takes is written in `aurochs_api::describe`.

mod case;
mod schema_attributes;
mod serde_attributes;
mod shape;
mod words;

use proc_macro::TokenStream;
use syn::{Data, DeriveInput, Fields};

/// Implements `aurochs_api::describe::Described` for a struct with named fields or an enum of unit variants.
#[proc_macro_derive(Described, attributes(schema))]
pub fn derive_described(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    let described = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => shape::implement(&input, fields),
            _ => Err(syn::Error::new_spanned(&input.ident, "only named fields can be described; implement it by hand")),
        },
        Data::Enum(data) => words::implement(&input, data),
        Data::Union(_) => Err(syn::Error::new_spanned(&input.ident, "a union has no JSON form")),
    };
    described.unwrap_or_else(|error| error.to_compile_error()).into()
}
