//! The branch of a shared type: what the library keeps of it, whatever its kind.

use yrs::{
    Out,
    branch::{Branch, BranchPtr},
};

/// Returns the branch of a shared type. `None` for a value, and for a document within the document.
pub(crate) fn branch_of(shared: &Out) -> Option<BranchPtr> {
    let branch: &Branch = match shared {
        Out::YText(text) => text.as_ref(),
        Out::YArray(array) => array.as_ref(),
        Out::YMap(map) => map.as_ref(),
        Out::YXmlElement(element) => element.as_ref(),
        Out::YXmlFragment(fragment) => fragment.as_ref(),
        Out::YXmlText(text) => text.as_ref(),
        Out::UndefinedRef(branch) => return Some(*branch),
        Out::Any(_) | Out::YDoc(_) => return None,
    };
    Some(BranchPtr::from(branch))
}
