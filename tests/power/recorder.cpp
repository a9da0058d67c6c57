// rowgate_power_recorder MOUNTPOINT DISK_FD LOG_FD: a disk that remembers in which order it was
// written and flushed. Mounts a FUSE file system of two files:
//
//   disk   as large as DISK_FD and backed by it. Each write and each fsync is appended to the log.
//          Behind a loop device, a block write is a write here and REQ_OP_FLUSH is an fsync.
//   mark   each write to it is appended to the log as a mark, and goes nowhere else.
//
// The log is entries of u32 kind, u32 size, u64 offset (the machine's byte order), then `size`
// bytes; kind is 1 write, 2 flush (size 0), 3 mark. One thread serves all requests one after
// another and answers a request before it reads the next, so what stands before an entry was done
// when that entry's request arrived. Ends with 0 when it is unmounted or gets SIGTERM, with 1 when
// it cannot mount, and by abort() when the log cannot be written.
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

constexpr fuse_ino_t disk_inode = 2;
constexpr fuse_ino_t mark_inode = 3;
constexpr double forever = 1e6;  // seconds that the kernel may remember names and attributes
constexpr unsigned largest_write = 1U << 20;

enum class Kind : std::uint32_t { write = 1, flush = 2, mark = 3 };

struct Entry {
  Kind kind;
  std::uint32_t size;
  std::uint64_t offset;
};
static_assert(sizeof(Entry) == 16);

struct Disk {
  int disk;
  int log;
  off_t size;
};

Disk& disk_of(fuse_req_t request) {
  return *static_cast<Disk*>(fuse_req_userdata(request));
}

void append(const Disk& disk, Kind kind, off_t offset, std::string_view bytes) {
  Entry entry{kind, static_cast<std::uint32_t>(bytes.size()), static_cast<std::uint64_t>(offset)};
  const iovec parts[] = {{&entry, sizeof entry}, {const_cast<char*>(bytes.data()), bytes.size()}};
  if (::writev(disk.log, parts, 2) != static_cast<ssize_t>(sizeof entry + bytes.size())) {
    std::perror("rowgate_power_recorder: write the log");
    std::abort();
  }
}

struct stat attributes(const Disk& disk, fuse_ino_t inode) {
  struct stat st {};
  st.st_ino = inode;
  st.st_nlink = 1;
  st.st_mode = inode == FUSE_ROOT_ID ? S_IFDIR | 0700 : S_IFREG | 0600;
  if (inode == disk_inode) st.st_size = disk.size;
  return st;
}

void look_up(fuse_req_t request, fuse_ino_t /*parent*/, const char* name) {
  fuse_entry_param entry{};
  entry.ino = std::string_view(name) == "disk"   ? disk_inode
              : std::string_view(name) == "mark" ? mark_inode
                                                 : 0;
  if (entry.ino == 0) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  entry.attr = attributes(disk_of(request), entry.ino);
  entry.attr_timeout = entry.entry_timeout = forever;
  fuse_reply_entry(request, &entry);
}

void get_attributes(fuse_req_t request, fuse_ino_t inode, fuse_file_info* /*file*/) {
  const struct stat st = attributes(disk_of(request), inode);
  fuse_reply_attr(request, &st, forever);
}

// Past the page cache of this file: what the loop device writes arrives here as it was written, and
// before the loop device says that it is done.
void open_file(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file) {
  if (inode == FUSE_ROOT_ID) {
    fuse_reply_err(request, EISDIR);
    return;
  }
  file->direct_io = 1;
  fuse_reply_open(request, file);
}

void read_disk(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
               fuse_file_info* /*file*/) {
  const Disk& disk = disk_of(request);
  if (inode != disk_inode || offset >= disk.size) {
    fuse_reply_buf(request, nullptr, 0);
    return;
  }
  std::vector<char> bytes(std::min(size, static_cast<std::size_t>(disk.size - offset)));
  const ssize_t got = ::pread(disk.disk, bytes.data(), bytes.size(), offset);
  if (got < 0) {
    fuse_reply_err(request, errno);
    return;
  }
  fuse_reply_buf(request, bytes.data(), static_cast<std::size_t>(got));
}

void write_file(fuse_req_t request, fuse_ino_t inode, const char* bytes, std::size_t size,
                off_t offset, fuse_file_info* /*file*/) {
  const Disk& disk = disk_of(request);
  if (inode == mark_inode) {
    append(disk, Kind::mark, 0, {bytes, size});
  } else if (offset + static_cast<off_t>(size) > disk.size) {
    fuse_reply_err(request, ENOSPC);
    return;
  } else if (::pwrite(disk.disk, bytes, size, offset) != static_cast<ssize_t>(size)) {
    fuse_reply_err(request, EIO);
    return;
  } else {
    append(disk, Kind::write, offset, {bytes, size});
  }
  fuse_reply_write(request, size);
}

void sync_file(fuse_req_t request, fuse_ino_t inode, int /*data_only*/, fuse_file_info* /*file*/) {
  if (inode == disk_inode) append(disk_of(request), Kind::flush, 0, {});
  fuse_reply_err(request, 0);
}

void initialize(void* /*disk*/, fuse_conn_info* connection) {
  connection->max_write = largest_write;
}

int serve(const char* program, const char* mountpoint, Disk& disk) {
  fuse_lowlevel_ops operations{};
  operations.init = initialize;
  operations.lookup = look_up;
  operations.getattr = get_attributes;
  operations.open = open_file;
  operations.read = read_disk;
  operations.write = write_file;
  operations.fsync = sync_file;

  std::vector<char> name(program, program + std::strlen(program) + 1);
  char* argv[] = {name.data(), nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(1, argv);
  fuse_session* session = fuse_session_new(&arguments, &operations, sizeof operations, &disk);
  int status = 1;
  if (session != nullptr && fuse_set_signal_handlers(session) == 0) {
    if (fuse_session_mount(session, mountpoint) == 0) {
      fuse_session_loop(session);  // until unmounted or told to end by a signal
      status = 0;
      fuse_session_unmount(session);
    }
    fuse_remove_signal_handlers(session);
  }
  if (session != nullptr) fuse_session_destroy(session);
  fuse_opt_free_args(&arguments);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: rowgate_power_recorder MOUNTPOINT DISK_FD LOG_FD\n", stderr);
    return 2;
  }
  Disk disk{std::atoi(argv[2]), std::atoi(argv[3]), 0};
  struct stat st {};
  if (::fstat(disk.disk, &st) < 0 || ::lseek(disk.log, 0, SEEK_END) < 0) {
    std::perror("rowgate_power_recorder: DISK_FD and LOG_FD must be open files");
    return 2;
  }
  disk.size = st.st_size;
  return serve(argv[0], argv[1], disk);
}
