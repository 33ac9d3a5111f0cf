//! Copies of shared types, before their content is written into them.

use yrs::{
    ArrayPrelim, In, MapPrelim, Out, XmlElementPrelim, XmlFragmentPrelim, XmlTextPrelim,
    types::text::TextPrelim,
};

use crate::comparison::Failure;

/// Returns a value as it is, or an empty shared type of the same kind.
pub(super) fn blank(value: &Out) -> Result<In, Failure> {
    Ok(match value {
        Out::Any(value) => In::Any(value.clone()),
        Out::YText(_) => In::Text(TextPrelim::default().into()),
        Out::YArray(_) => In::Array(ArrayPrelim::default()),
        Out::YMap(_) => In::Map(MapPrelim::default()),
        Out::YXmlElement(element) => In::XmlElement(XmlElementPrelim::empty(element.tag().clone())),
        Out::YXmlFragment(_) => In::XmlFragment(XmlFragmentPrelim::default()),
        Out::YXmlText(_) => In::XmlText(XmlTextPrelim::new("").into()),
        Out::YDoc(_) | Out::UndefinedRef(_) => return Err(Failure::Unsupported),
    })
}
