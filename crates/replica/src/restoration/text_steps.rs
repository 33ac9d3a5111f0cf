//! The steps that are written into a text.

use yrs::{
    Any, In,
    types::{Attrs, Delta},
};

/// Steps that are written into a text, joined where they do the same.
#[derive(Default)]
pub(super) struct TextSteps {
    steps: Vec<Delta<In>>,
    /// Text that is to be inserted next, and its formats.
    text: String,
    formats: Attrs,
}

impl TextSteps {
    pub(super) fn retain(&mut self, units: u32, formats: Option<Box<Attrs>>) {
        self.flush();
        match self.steps.last_mut() {
            Some(Delta::Retain(last, before)) if *before == formats => *last += units,
            _ => self.steps.push(Delta::Retain(units, formats)),
        }
    }

    pub(super) fn delete(&mut self, units: u32) {
        self.flush();
        match self.steps.last_mut() {
            Some(Delta::Deleted(last)) => *last += units,
            _ => self.steps.push(Delta::Deleted(units)),
        }
    }

    pub(super) fn insert_text(&mut self, text: &str, formats: &Attrs) {
        if self.formats != *formats {
            self.flush();
            self.formats.clone_from(formats);
        }
        self.text.push_str(text);
    }

    pub(super) fn insert(&mut self, inserted: In, formats: &Attrs) {
        self.flush();
        self.steps.push(Delta::Inserted(inserted, Some(Box::new(formats.clone()))));
    }

    /// Returns the steps without those at the end that change nothing.
    pub(super) fn finish(mut self) -> Vec<Delta<In>> {
        self.flush();
        while let Some(Delta::Retain(_, None)) = self.steps.last() {
            self.steps.pop();
        }
        self.steps
    }

    fn flush(&mut self) {
        if self.text.is_empty() {
            return;
        }
        let text = In::Any(Any::String(std::mem::take(&mut self.text).into()));
        self.steps.push(Delta::Inserted(text, Some(Box::new(self.formats.clone()))));
    }
}
