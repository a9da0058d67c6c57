// rowgate_without_sync PROGRAM [ARGUMENT...]: runs a program for which fdatasync does nothing and
// says that it succeeded: the disk that lies. A seccomp filter rather than LD_PRELOAD, so that it
// also holds for a program under a sanitizer or linked statically. The filter outlives exec and
// cannot be taken off.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>

namespace {

bool drop_fdatasync() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fdatasync, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0U),  // errno 0: the call returns 0
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{sizeof program / sizeof *program, program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: rowgate_without_sync PROGRAM [ARGUMENT...]\n", stderr);
    return 2;
  }
  if (!drop_fdatasync()) {
    std::perror("rowgate_without_sync: seccomp");
    return 1;
  }
  ::execvp(argv[1], argv + 1);
  std::perror(argv[1]);
  return 127;
}
