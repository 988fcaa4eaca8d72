//! Why a file cannot be looked into, and what to do then. The library's texts are for those who start a session on it.

use bowline::store::{StoreError, StoreErrorKind};

/// What is wrong, in the words of somebody who wants to know what is in the file.
pub(super) fn problem(error: &StoreError) -> String {
    let what = match error.kind() {
        StoreErrorKind::Locked => {
            "is in use by a program that runs: look again when it has ended (`lsof` or `fuser` with the file names it)"
        }
        StoreErrorKind::OtherFormat { .. } => {
            "was written by a later version of this program: look with that one, this one would not understand it"
        }
        StoreErrorKind::Damaged { .. } => {
            "is damaged, and was left as it is: if there is a copy, put it in its place; if not, the next run with --store \
             sets this one aside and says so, and the one after it begins anew, without what waited in it"
        }
        StoreErrorKind::NotAStore => {
            "is not a session's file: name the one that `pub --store` or `sub --store` was given"
        }
        StoreErrorKind::NotUnsealed => {
            "is sealed by the program that writes it: only that one, with its key, can look into it"
        }
        StoreErrorKind::NotPermitted => {
            "must not be read by this user: look as the user who ran `pub --store` or `sub --store` (`ls -l` says who)"
        }
        StoreErrorKind::IsADirectory => "is a directory: name the file in it",
        StoreErrorKind::NoFile | StoreErrorKind::NoDirectory => {
            "does not exist: name the file that `pub --store` or `sub --store` was given; without a `/` at its beginning it \
             is meant from where that program was started"
        }
        // Nothing more is to be said about the rest than what went wrong.
        _ => return error.to_string(),
    };
    let (name, all) = (error.store().unwrap_or("the file"), error.to_string());
    // What led to it stands at the end of the library's text, in parentheses.
    let cause = all.strip_prefix(name).and_then(|text| text.find(" (").map(|at| &text[at..]));
    format!("{name} {what}{}", cause.unwrap_or(""))
}
