//! An enum of unit variants is text, one of its words.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataEnum, DeriveInput, Fields};

use crate::serde_attributes::{OfMember, OfType};

pub(crate) fn implement(input: &DeriveInput, data: &DataEnum) -> syn::Result<TokenStream> {
    let name = &input.ident;
    let case = OfType::read(&input.attrs)?.rename_all;
    let mut words = Vec::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(syn::Error::new_spanned(
                variant,
                "only enums of unit variants are words; implement it by hand",
            ));
        }
        let serde = OfMember::read(&variant.attrs)?;
        if !serde.skipped {
            words.push(serde.rename.unwrap_or_else(|| case.of_variant(&variant.ident.to_string())));
        }
    }
    Ok(quote! {
        #[automatically_derived]
        impl aurochs_api::describe::Described for #name {
            const WIRE: aurochs_api::describe::Wire = aurochs_api::describe::Wire::Text;
            const OPTIONS: &'static [&'static str] = &[#(#words),*];
        }
    })
}
