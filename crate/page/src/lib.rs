//! The interface of Cleave: state → view, intent → worker → event → state.
//!
//! The page holds one [`state::State`] and no tensor. What a person does is an [`state::Act`], what the worker says is an
//! [`cleave_contract::Event`]; both go through one pure function each, which changes the state and returns the intents to
//! post. Everything that can be decided without a browser (state, URL, pipeline, projection, timeline, texts) is plain Rust
//! and tested natively; `worker` and `view` are the only modules that touch the web.

pub mod cloud;
pub mod compare;
pub mod dispatch;
pub mod export;
pub mod format;
pub mod front;
pub mod inspect;
pub mod needed;
pub mod partition;
pub mod pipeline;
pub mod price;
pub mod scatter;
pub mod state;
pub mod timeline;
pub mod url;
pub mod view;
pub mod words;
pub mod worker;
