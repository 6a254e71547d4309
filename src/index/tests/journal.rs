//! A journal of what an index does to its disk, and the states in which a power cut could leave
//! that disk.
//!
//! What is certain after a power cut is what was synced: the content of a file by its own fsync,
//! its name by an fsync of the directory. Everything else may be there, in part, or not.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rand::RngExt as _;
use rand::rngs::StdRng;
use tantivy::Directory;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, DirectoryLock, FileHandle, FileSlice, Lock, TerminatingWrite, WatchCallback, WatchHandle, WritePtr,
};

use crate::index::lock;

/// One change of a disk. Paths are absolute.
#[derive(Clone, Debug)]
pub(in crate::index) enum Operation {
    CreateDir(PathBuf),
    /// An empty file, also where there was another.
    Create(PathBuf),
    /// At the end of a file.
    Write(PathBuf, Vec<u8>),
    SyncFile(PathBuf),
    /// Within one directory.
    Rename(PathBuf, PathBuf),
    Delete(PathBuf),
    SyncDir(PathBuf),
}

type Operations = Arc<Mutex<Vec<Operation>>>;

/// The journals of the tests that run, by the directory that each is about.
static JOURNALS: Mutex<Vec<(PathBuf, Operations)>> = Mutex::new(Vec::new());

/// The journal of what happens below a directory, while this lives.
pub(in crate::index) struct Journal {
    root: PathBuf,
    operations: Operations,
}

impl Journal {
    pub(in crate::index) fn of(root: &Path) -> Journal {
        let operations = Operations::default();
        lock(&JOURNALS).push((root.to_owned(), Arc::clone(&operations)));
        Journal { root: root.to_owned(), operations }
    }

    /// How many operations there were.
    pub(in crate::index) fn len(&self) -> usize {
        lock(&self.operations).len()
    }

    /// The first `n` operations.
    pub(in crate::index) fn first(&self, n: usize) -> Vec<Operation> {
        lock(&self.operations)[..n].to_vec()
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        lock(&JOURNALS).retain(|(root, _)| *root != self.root);
    }
}

fn journal_of(path: &Path) -> Option<Operations> {
    let journals = lock(&JOURNALS);
    journals.iter().find(|(root, _)| path.starts_with(root)).map(|(_, operations)| Arc::clone(operations))
}

/// Writes an operation down. A sync is recorded before it is done, since it promises nothing about
/// what comes meanwhile; everything else afterwards, so that no sync promises it too early.
pub(in crate::index) fn record(operation: Operation) {
    let (Operation::CreateDir(path)
    | Operation::Create(path)
    | Operation::Write(path, _)
    | Operation::SyncFile(path)
    | Operation::Rename(path, _)
    | Operation::Delete(path)
    | Operation::SyncDir(path)) = &operation;
    if let Some(operations) = journal_of(path) {
        lock(&operations).push(operation);
    }
}

/// tantivy's directory, with a journal when there is one for it.
pub(in crate::index) fn recorded(files: Box<dyn Directory>, dir: &Path) -> Box<dyn Directory> {
    if journal_of(dir).is_none() { files } else { Box::new(Recorded { files, dir: dir.to_owned() }) }
}

/// Records what a `MmapDirectory` does.
#[derive(Clone, Debug)]
struct Recorded {
    files: Box<dyn Directory>,
    dir: PathBuf,
}

impl Directory for Recorded {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.files.get_file_handle(path)
    }

    fn open_read(&self, path: &Path) -> Result<FileSlice, OpenReadError> {
        self.files.open_read(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.files.delete(path)?;
        record(Operation::Delete(self.dir.join(path)));
        Ok(())
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.files.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let file = self.files.open_write(path)?;
        let path = self.dir.join(path);
        record(Operation::Create(path.clone()));
        Ok(BufWriter::new(Box::new(RecordedFile { file, path })))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.files.atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        self.files.atomic_write(path, data)?;
        let (path, temporary) = (self.dir.join(path), self.dir.join(format!(".tmp{}", rand::random::<u64>())));
        record(Operation::Create(temporary.clone()));
        record(Operation::Write(temporary.clone(), data.to_vec()));
        record(Operation::SyncFile(temporary.clone()));
        record(Operation::Rename(temporary, path));
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        record(Operation::SyncDir(self.dir.clone()));
        self.files.sync_directory()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.files.acquire_lock(lock)
    }

    fn watch(&self, watch_callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.files.watch(watch_callback)
    }
}

struct RecordedFile {
    file: WritePtr,
    path: PathBuf,
}

impl Write for RecordedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        record(Operation::Write(self.path.clone(), bytes[..written].to_vec()));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl TerminatingWrite for RecordedFile {
    fn terminate_ref(&mut self, token: AntiCallToken) -> io::Result<()> {
        self.file.terminate_ref(token)?;
        record(Operation::SyncFile(self.path.clone()));
        Ok(())
    }
}

/// What a power cut does to that which was not synced.
pub(super) enum Cut<'a> {
    /// It is gone.
    Nothing,
    /// The names are there, and no content.
    Names,
    /// It is all there, as after a kill of the process only.
    Everything,
    /// Each change of a name and each byte at the end of a file is there or not.
    Some(&'a mut StdRng),
}

/// The files of a disk by their paths below its root; `None` is a directory.
pub(super) type Image = BTreeMap<PathBuf, Option<Vec<u8>>>;

pub(super) fn write_image(image: &Image, root: &Path) {
    for (path, content) in image {
        match content {
            None => fs::create_dir(root.join(path)).unwrap(),
            Some(content) => fs::write(root.join(path), content).unwrap(),
        }
    }
}

/// A disk: what its users see, and what of it is certain.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    File {
        content: Vec<u8>,
        synced: Vec<u8>,
    },
    Dir {
        names: Names,
        synced: Names,
        /// Since the last sync, in order; the names in one of them change together.
        changes: Vec<Vec<(OsString, Option<usize>)>>,
    },
}

type Names = BTreeMap<OsString, usize>;

impl Disk {
    /// Only a root.
    pub(super) fn empty() -> Disk {
        Disk { nodes: vec![Node::Dir { names: Names::new(), synced: Names::new(), changes: Vec::new() }] }
    }

    /// Carries an operation out, of a journal of `root`.
    pub(super) fn apply(&mut self, operation: &Operation, root: &Path) {
        let below = |path: &'_ PathBuf| path.strip_prefix(root).unwrap().to_owned();
        match operation {
            Operation::CreateDir(path) => {
                let dir = Node::Dir { names: Names::new(), synced: Names::new(), changes: Vec::new() };
                self.link(&below(path), dir);
            }
            Operation::Create(path) => {
                self.link(&below(path), Node::File { content: Vec::new(), synced: Vec::new() });
            }
            // A file that is gone can still be open: in a merge that outlives its writer.
            Operation::Write(path, bytes) => {
                if let Some(Node::File { content, .. }) = self.node(&below(path)) {
                    content.extend_from_slice(bytes);
                }
            }
            Operation::SyncFile(path) => {
                if let Some(Node::File { content, synced }) = self.node(&below(path)) {
                    synced.clone_from(content);
                }
            }
            Operation::Rename(from, to) => {
                let (from, to) = (below(from), below(to));
                let node = self.find(&from).unwrap();
                let name = |path: &Path| path.file_name().unwrap().to_owned();
                self.change(from.parent().unwrap(), vec![(name(&from), None), (name(&to), Some(node))]);
            }
            Operation::Delete(path) => {
                let path = below(path);
                self.change(path.parent().unwrap(), vec![(path.file_name().unwrap().to_owned(), None)]);
            }
            Operation::SyncDir(path) => {
                if let Some(Node::Dir { names, synced, changes }) = self.node(&below(path)) {
                    synced.clone_from(names);
                    changes.clear();
                }
            }
        }
    }

    /// A state in which a power cut at this moment could leave the disk.
    pub(super) fn image(&self, cut: &mut Cut<'_>) -> Image {
        let mut image = Image::new();
        self.add_to(&mut image, 0, Path::new(""), cut);
        image
    }

    fn add_to(&self, image: &mut Image, node: usize, path: &Path, cut: &mut Cut<'_>) {
        match &self.nodes[node] {
            Node::File { content, synced } => {
                let left = match cut {
                    Cut::Nothing | Cut::Names => synced,
                    Cut::Everything => content,
                    Cut::Some(random) => &content[..random.random_range(synced.len()..=content.len())],
                };
                image.insert(path.to_owned(), Some(left.to_vec()));
            }
            Node::Dir { names, synced, changes } => {
                let left = match cut {
                    Cut::Nothing => synced.clone(),
                    Cut::Names | Cut::Everything => names.clone(),
                    Cut::Some(random) => {
                        let mut left = synced.clone();
                        changes.iter().filter(|_| random.random()).for_each(|change| apply(&mut left, change));
                        left
                    }
                };
                if !path.as_os_str().is_empty() {
                    image.insert(path.to_owned(), None);
                }
                for (name, node) in left {
                    self.add_to(image, node, &path.join(name), cut);
                }
            }
        }
    }

    fn link(&mut self, path: &Path, node: Node) {
        self.nodes.push(node);
        let change = vec![(path.file_name().unwrap().to_owned(), Some(self.nodes.len() - 1))];
        self.change(path.parent().unwrap(), change);
    }

    fn change(&mut self, dir: &Path, change: Vec<(OsString, Option<usize>)>) {
        if let Some(Node::Dir { names, changes, .. }) = self.node(dir) {
            apply(names, &change);
            changes.push(change);
        }
    }

    fn node(&mut self, path: &Path) -> Option<&mut Node> {
        let node = self.find(path)?;
        Some(&mut self.nodes[node])
    }

    fn find(&self, path: &Path) -> Option<usize> {
        path.iter().try_fold(0, |dir, name| match &self.nodes[dir] {
            Node::Dir { names, .. } => names.get(name).copied(),
            Node::File { .. } => None,
        })
    }
}

fn apply(names: &mut Names, change: &[(OsString, Option<usize>)]) {
    for (name, node) in change {
        match node {
            Some(node) => names.insert(name.clone(), *node),
            None => names.remove(name),
        };
    }
}
