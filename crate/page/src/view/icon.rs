//! Icons of our own: 16 × 16, drawn with strokes in the colour of the text. They decorate; words carry the meaning.

use leptos::prelude::*;

/// The outlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// A link to pass on.
    Share,
    /// Begin.
    Play,
    /// Hold.
    Pause,
    /// End.
    Stop,
    /// Many, one after another.
    Stream,
    /// Take a file in.
    Open,
    /// Another one at random.
    Dice,
    /// Close.
    Close,
    /// Can be moved up and down.
    Grip,
    /// Something is wrong.
    Warning,
    /// It is right.
    Check,
    /// Light and dark.
    Theme,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Icon::Share => {
                "M6.5 9.5 9.5 6.5M7 4.5l1.7-1.7a3.2 3.2 0 0 1 4.5 4.5L11.5 9M9 11.5l-1.7 1.7a3.2 3.2 0 0 1-4.5-4.5L4.5 7"
            }
            Icon::Play => "M5 3.2v9.6l7.5-4.8z",
            Icon::Pause => "M5.5 3.5v9M10.5 3.5v9",
            Icon::Stop => "M4.5 4.5h7v7h-7z",
            Icon::Stream => "M3 3.5v9l4.5-4.5zM8.5 3.5v9l4.5-4.5z",
            Icon::Open => "M8 10V2.5M5 5.3l3-3 3 3M2.5 10v3.2h11V10",
            Icon::Dice => "M3 3h10v10H3zM5.8 5.8h.01M10.2 5.8h.01M8 8h.01M5.8 10.2h.01M10.2 10.2h.01",
            Icon::Close => "M4 4l8 8M12 4l-8 8",
            Icon::Grip => "M5 6l3-3 3 3M5 10l3 3 3-3",
            Icon::Warning => "M8 2.5 14 13H2zM8 6.5v3M8 11.2h.01",
            Icon::Check => "M3 8.5l3.2 3.2L13 5",
            Icon::Theme => "M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11",
        }
    }
}

/// Draws it.
pub fn icon(icon: Icon) -> impl IntoView {
    let solid = matches!(icon, Icon::Play | Icon::Stream | Icon::Stop);
    view! {
        <svg class="icon" class:solid=solid viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
            <path d=icon.path()></path>
            {(icon == Icon::Theme).then(|| view! { <path class="half" d="M8 2.5a5.5 5.5 0 0 0 0 11z"></path> })}
        </svg>
    }
}
