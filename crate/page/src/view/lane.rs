//! The four lanes, always in the same colours *and* textures: device plain, uplink rising stripes, edge dots, downlink
//! falling stripes. The textures are defined once and used by every drawing.

use crate::timeline::word;
use cleave_contract::Lane;
use leptos::prelude::*;

/// What fills a mark of this lane.
pub fn fill(lane: Lane) -> &'static str {
    match lane {
        Lane::Device => "url(#texture-device)",
        Lane::Uplink => "url(#texture-uplink)",
        Lane::Edge => "url(#texture-edge)",
        Lane::Downlink => "url(#texture-downlink)",
    }
}

/// A small sample of a lane's colour and texture.
pub fn swatch(lane: Lane) -> impl IntoView {
    view! {
        <svg class="swatch" width="18" height="12" aria-hidden="true">
            <rect width="18" height="12" rx="2" fill=fill(lane)></rect>
        </svg>
    }
}

/// A lane's sample and word.
pub fn label(lane: Lane) -> impl IntoView {
    view! { <span class="lane-label">{swatch(lane)} {word(lane)}</span> }
}

/// What fills memory that is not weights.
pub const REST: &str = "url(#texture-rest)";

/// The definitions.
#[component]
pub fn Textures() -> impl IntoView {
    view! {
        <svg class="definitions" width="0" height="0" aria-hidden="true">
            <defs>
                <pattern id="texture-device" width="8" height="8" patternUnits="userSpaceOnUse">
                    <rect width="8" height="8" class="fill-device"></rect>
                </pattern>
                <pattern id="texture-uplink" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
                    <rect width="6" height="6" class="fill-uplink"></rect>
                    <rect width="2.5" height="6" class="ink-uplink"></rect>
                </pattern>
                <pattern id="texture-edge" width="6" height="6" patternUnits="userSpaceOnUse">
                    <rect width="6" height="6" class="fill-edge"></rect>
                    <circle cx="3" cy="3" r="1.3" class="ink-edge"></circle>
                </pattern>
                <pattern id="texture-downlink" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">
                    <rect width="5" height="5" class="fill-downlink"></rect>
                    <rect width="1.5" height="5" class="ink-downlink"></rect>
                </pattern>
                <pattern id="texture-rest" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
                    <rect width="5" height="5" class="fill-rest"></rect>
                    <rect width="2" height="5" class="ink-rest"></rect>
                </pattern>
            </defs>
        </svg>
    }
}
