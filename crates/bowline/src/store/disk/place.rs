//! Where a store is: finds, makes and sets aside its file. Knows nothing of what is in it.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::store::disk::envelope::Envelope;
use crate::store::disk::failure::Failure;
use crate::store::disk::file::{ReadOnlyFile, StoreFile, SyncPolicy, Synced};
use crate::store::disk::opened::Opened;
use crate::store::disk::overlay::Overlay;

/// So many names are tried for a store that is set aside.
const ASIDE_MAX: u32 = 10_000;

/// What the first of these names ends with.
const ASIDE_FIRST: &str = ".damaged-1";

/// As many links after each other as operating systems follow.
const LINKS_MAX: u32 = 40;

/// A store that has not got its name yet has one commit, the one that makes it a store.
const COMMITS_OF_UNFINISHED: u64 = 1;

/// How often, and after which pauses, it is tried to become the one who makes a store in a directory: a second in all.
const LOCK_TRIES_MAX: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Opens what an application brings in place of a file.
pub(super) type Bring = Box<dyn FnMut() -> io::Result<Box<dyn StoreFile>> + Send>;

/// A path, or what the application brings.
pub(super) enum Place {
    Path(PathBuf),
    Brought(Bring),
}

/// How a store is opened.
pub(super) struct Manner<'a> {
    pub(super) envelope: &'a Envelope,
    pub(super) policy: SyncPolicy,
    pub(super) outcomes_max: u64,
    /// Whether a store may be made where there is none.
    pub(super) may_create: bool,
}

impl Place {
    /// `found` becomes another handle of the file that is opened, also if what is in it cannot be used.
    pub(super) fn open(&mut self, manner: &Manner<'_>, found: &mut Option<File>) -> Result<Opened, Failure> {
        match self {
            Self::Path(path) => open_path(path, manner, found),
            Self::Brought(bring) => {
                let file = Synced::brought(bring()?, manner.policy);
                Opened::new(file, manner.envelope, manner.outcomes_max, manner.may_create)
            }
        }
    }

    /// Opens what is there without changing it, and says how many bytes it has.
    pub(super) fn inspect(&mut self, envelope: &Envelope) -> Result<(Opened, u64), Failure> {
        match self {
            Self::Path(path) => inspect_path(path, envelope),
            Self::Brought(bring) => {
                let file = bring()?;
                let bytes = file.len()?;
                let file = Overlay::new(Synced::brought(file, SyncPolicy::OsBuffer))?;
                Ok((Opened::new(file, envelope, u64::MAX, false)?, bytes))
            }
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Brought(_) => "the session store".to_owned(),
        }
    }
}

fn open_path(path: &Path, manner: &Manner<'_>, found: &mut Option<File>) -> Result<Opened, Failure> {
    match fs::metadata(path) {
        Ok(metadata) => open_existing(path, &metadata, manner, found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let place = linked(path);
            // Its disk may not be mounted: a store in place of the link would begin anew in silence. If it is, and what the link led
            // to was set aside, that stands there.
            if path.is_symlink() && !fs::exists(with_ending(&place, ASIDE_FIRST))? {
                let nowhere = "it is a link to a file that does not exist";
                return Err(Failure::Io(io::Error::new(io::ErrorKind::NotFound, nowhere)));
            }
            if manner.may_create { create(&place, manner, found) } else { Err(Failure::Gone) }
        }
        Err(error) => Err(error.into()),
    }
}

/// What a link leads to, whether it is there or not; a path that is no link leads to itself.
fn linked(path: &Path) -> PathBuf {
    let mut place = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(target) = fs::read_link(&place) else { break };
        place = place.parent().map_or_else(|| target.clone(), |directory| directory.join(&target));
    }
    place
}

fn open_existing(
    path: &Path,
    metadata: &Metadata,
    manner: &Manner<'_>,
    found: &mut Option<File>,
) -> Result<Opened, Failure> {
    if metadata.is_dir() {
        return Err(Failure::Io(io::ErrorKind::IsADirectory.into()));
    }
    if !metadata.is_file() {
        return Err(Failure::NotAStore("it is not a file".to_owned()));
    }
    if metadata.permissions().readonly() {
        return Err(Failure::ReadOnly);
    }
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    // A store has bytes before it gets its name: see `create`.
    open_file(file, manner, false, found)
}

/// The lock of a store needs a file that can be written. One that cannot be is locked as well as that is possible.
fn inspect_path(path: &Path, envelope: &Envelope) -> Result<(Opened, u64), Failure> {
    let missing = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Failure::NoFile,
        _ => error.into(),
    };
    let metadata = fs::metadata(path).map_err(missing)?;
    if metadata.is_dir() {
        return Err(Failure::Io(io::ErrorKind::IsADirectory.into()));
    }
    if !metadata.is_file() {
        return Err(Failure::NotAStore("it is not a file".to_owned()));
    }
    let opened = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => {
            let file = Overlay::new(Synced::locked(file, SyncPolicy::OsBuffer)?)?;
            Opened::new(file, envelope, u64::MAX, false)?
        }
        Err(error) if is_unwritable(&error) => {
            let file = File::open(path)?;
            #[expect(clippy::incompatible_msrv, reason = "the feature needs what redb needs, which is later")]
            match file.try_lock_shared() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(Failure::Locked),
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
            let file = Synced::brought(Box::new(ReadOnlyFile::new(file)), SyncPolicy::OsBuffer);
            let file = Overlay::new(file)?;
            Opened::new(file, envelope, u64::MAX, false)?
        }
        Err(error) => return Err(missing(error)),
    };
    Ok((opened, metadata.len()))
}

fn is_unwritable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

fn open_file(
    file: File,
    manner: &Manner<'_>,
    may_create: bool,
    found: &mut Option<File>,
) -> Result<Opened, Failure> {
    *found = Some(file.try_clone()?);
    let file = Synced::locked(file, manner.policy)?;
    Opened::new(file, manner.envelope, manner.outcomes_max, may_create)
}

/// Makes the store under another name and gives it its own when it is complete and on the disk: whatever has the name is a
/// store, and a loss of power on the way leaves nothing that could be taken for a damaged one.
fn create(path: &Path, manner: &Manner<'_>, found: &mut Option<File>) -> Result<Opened, Failure> {
    let _making = lock_directory(path)?;
    if fs::exists(path)? {
        return open_existing(path, &fs::metadata(path)?, manner, found);
    }
    let unfinished = with_ending(path, ".new");
    let opened = match open_unfinished(&unfinished, manner, found) {
        // What is left of an attempt that was cut off, or something else that has this name by chance: nobody can tell, and so
        // it is kept.
        Err(Failure::Damaged(_) | Failure::NotAStore(_) | Failure::SealMissing(_) | Failure::Seal(_)) => {
            *found = None;
            rename_aside(&unfinished)?;
            open_unfinished(&unfinished, manner, found)?
        }
        other => other?,
    };
    if opened.meta.commits > COMMITS_OF_UNFINISHED {
        let name = unfinished.display();
        return Err(Failure::NotAStore(format!("{name}, where it is to be made, is a store with a session")));
    }
    // Its lock is held now. Where no directory can be locked, another process may have made the store in the meantime.
    if fs::exists(path)? {
        drop(opened);
        *found = None;
        _ = fs::remove_file(&unfinished);
        return open_existing(path, &fs::metadata(path)?, manner, found);
    }
    fs::rename(&unfinished, path)?;
    sync_directory(path)?;
    Ok(opened)
}

fn open_unfinished(path: &Path, manner: &Manner<'_>, found: &mut Option<File>) -> Result<Opened, Failure> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    owned(&mut options);
    open_file(options.open(path)?, manner, true, found)
}

/// What is made is for its owner only: it holds payloads. Elsewhere than on Unix its directory decides.
fn owned(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

/// Keeps others from making a store in the same directory, and from setting one aside, until this is dropped. The lock of the unfinished file is not enough:
/// who takes it may have opened what another is just setting aside, and would then give that one's file the name. Elsewhere than
/// on Unix a file that somebody has open gets no other name anyway, and where directories cannot be locked they are not.
#[expect(clippy::incompatible_msrv, reason = "the feature needs what redb needs, which is later")]
fn lock_directory(path: &Path) -> Result<Option<File>, Failure> {
    if !cfg!(unix) {
        return Ok(None);
    }
    let directory = open_directory(path)?;
    for _ in 0..LOCK_TRIES_MAX {
        match directory.try_lock() {
            Ok(()) => return Ok(Some(directory)),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
    Err(Failure::Locked)
}

/// Gives a damaged store another name in the same directory, `<name>.damaged-1` or the next that is free, and says which. `found` is
/// the file that was found damaged: whoever else has found it too may have set it aside meanwhile, and made a new one. It is still
/// open, so that no other file is taken for it. A link stays, and what it leads to gets the name.
pub(super) fn set_aside(path: &Path, found: &File) -> Result<PathBuf, Failure> {
    let place = linked(path);
    let _moving = lock_directory(&place)?;
    if !is_same_file(&fs::metadata(&place)?, &found.metadata()?) {
        return Err(Failure::Gone);
    }
    Ok(rename_aside(&place)?)
}

/// Elsewhere than on Unix it cannot be told.
fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    }
    #[cfg(not(unix))]
    {
        let _ = (one, other);
        true
    }
}

fn rename_aside(path: &Path) -> io::Result<PathBuf> {
    for number in 1..=ASIDE_MAX {
        let aside = with_ending(path, &format!(".damaged-{number}"));
        // Made first, so that no file with that name is replaced.
        match OpenOptions::new().write(true).create_new(true).open(&aside) {
            Ok(_) => {
                if let Err(error) = fs::rename(path, &aside) {
                    _ = fs::remove_file(&aside);
                    return Err(error);
                }
                sync_directory(path)?;
                return Ok(aside);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many damaged stores stand beside it"))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

/// A name survives a loss of power when its directory is synced. Elsewhere than on Unix this cannot be asked for.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        open_directory(path)?.sync_all()?;
    }
    Ok(())
}

fn open_directory(path: &Path) -> io::Result<File> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or_else(|| Path::new(".")))
}
