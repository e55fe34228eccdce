//! What a panic comes to: the end.

use crate::Exit;

/// From here on a panic, in whichever thread or task, ends the process as a defect, after whoever else wants to hear of it: the
/// part that it stops would not be missed by the others, and clients would wait for it for ever.
pub fn end_on_panic() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        told(panic);
        std::process::exit(i32::from(Exit::Defect.code()));
    }));
}
