//! The application in virtual time: what a person does and what becomes of it, without a browser.

#![allow(clippy::unwrap_used)] // a test that cannot go on panics

mod dispatch;
mod frames;
mod images;
mod measuring;
mod searching;
mod streams;
mod troubles;
mod world;
