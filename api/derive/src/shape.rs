//! A struct with named fields becomes a `Shape`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Field, FieldsNamed};

use crate::case::{Case, lower_first};
use crate::{schema_attributes, serde_attributes};

pub(crate) fn implement(input: &DeriveInput, fields: &FieldsNamed) -> syn::Result<TokenStream> {
    let (name, generics) = (&input.ident, &input.generics);
    if !generics.params.is_empty() {
        return Err(syn::Error::new_spanned(generics, "a generic type has no description of its own"));
    }
    let of_type = serde_attributes::OfType::read(&input.attrs)?;
    let id = schema_attributes::OfType::read(&input.attrs)?.id.unwrap_or_else(|| lower_first(&name.to_string()));
    let doc = schema_attributes::documentation(&input.attrs);
    let mut described = Vec::new();
    for field in &fields.named {
        described.extend(describe(field, of_type.rename_all)?);
    }
    Ok(quote! {
        #[automatically_derived]
        impl aurochs_api::describe::Described for #name {
            const WIRE: aurochs_api::describe::Wire =
                aurochs_api::describe::Wire::Named(<#name as aurochs_api::describe::Shaped>::shape);
        }
        #[automatically_derived]
        impl aurochs_api::describe::Shaped for #name {
            const ID: &'static str = #id;

            fn shape() -> &'static aurochs_api::describe::Shape {
                static SHAPE: aurochs_api::describe::Shape =
                    aurochs_api::describe::Shape { id: #id, doc: #doc, fields: &[#(#described),*] };
                &SHAPE
            }
        }
    })
}

/// None for a field that never goes over the wire.
fn describe(field: &Field, case: Case) -> syn::Result<Option<TokenStream>> {
    let serde = serde_attributes::OfMember::read(&field.attrs)?;
    let schema = schema_attributes::OfField::read(&field.attrs)?;
    if serde.skipped {
        return Ok(None);
    }
    if serde.own_form && schema.wire.is_none() {
        let message = "a function of serde makes the JSON form here: say which by schema(wire = \"…\")";
        return Err(syn::Error::new_spanned(field, message));
    }
    let written = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
    let name = serde.rename.unwrap_or_else(|| case.of_field(written.trim_start_matches("r#")));
    let doc = schema_attributes::documentation(&field.attrs);
    let kind = &field.ty;
    let wire = match schema.wire {
        Some(variant) => quote! { aurochs_api::describe::Wire::#variant },
        None => quote! { <#kind as aurochs_api::describe::Described>::WIRE },
    };
    let own_words = &schema.options;
    let options = match (own_words.is_empty(), serde.own_form) {
        (false, _) => quote! { &[#(#own_words),*] },
        (true, false) => quote! { <#kind as aurochs_api::describe::Described>::OPTIONS },
        (true, true) => quote! { &[] },
    };
    let flags = &schema.flags;
    let (default, schema_type) = (option(schema.default.as_deref()), option(schema.schema_type.as_deref()));
    let (flattened, omitted) = (serde.flatten, serde.sometimes_omitted);
    Ok(Some(quote! {
        aurochs_api::describe::Field {
            name: #name,
            doc: #doc,
            wire: #wire,
            schema_type: #schema_type,
            flags: aurochs_api::describe::Flags { #(#flags: true,)* ..aurochs_api::describe::Flags::NONE },
            default: #default,
            options: #options,
            flattened: #flattened,
            omitted_when_empty: #omitted,
        }
    }))
}

fn option(text: Option<&str>) -> TokenStream {
    match text {
        Some(text) => quote! { ::core::option::Option::Some(#text) },
        None => quote! { ::core::option::Option::None },
    }
}
