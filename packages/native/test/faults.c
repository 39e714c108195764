/*
 * Stands before the system's sendmmsg and sendmsg: `cc -shared -fPIC faults.c -o faults.so`, then LD_PRELOAD. A datagram
 * of 'F', an errno and a number is refused with that errno, as many times: it counts down where it stands. One that
 * begins with 'P' is the last that a call takes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>

static unsigned char* bytes_of(const struct msghdr* message) {
  return message->msg_iovlen == 1 && message->msg_iov->iov_len > 0 ? message->msg_iov->iov_base : 0;
}

static int refuses(const struct msghdr* message) {
  unsigned char* bytes = bytes_of(message);
  return bytes != 0 && message->msg_iov->iov_len == 3 && bytes[0] == 'F' && bytes[2] > 0;
}

static int refuse(const struct msghdr* message) {
  bytes_of(message)[2]--;
  errno = bytes_of(message)[1];
  return -1;
}

int sendmmsg(int fd, struct mmsghdr* messages, unsigned int count, int flags) {
  static int (*next)(int, struct mmsghdr*, unsigned int, int);
  if (next == 0) next = dlsym(RTLD_NEXT, "sendmmsg");
  for (unsigned int i = 0; i < count; i++) {
    if (refuses(&messages[i].msg_hdr)) return i == 0 ? refuse(&messages[0].msg_hdr) : next(fd, messages, i, flags);
    unsigned char* bytes = bytes_of(&messages[i].msg_hdr);
    if (bytes != 0 && bytes[0] == 'P') return next(fd, messages, i + 1, flags);
  }
  return next(fd, messages, count, flags);
}

ssize_t sendmsg(int fd, const struct msghdr* message, int flags) {
  static ssize_t (*next)(int, const struct msghdr*, int);
  if (next == 0) next = dlsym(RTLD_NEXT, "sendmsg");
  return refuses(message) ? refuse(message) : next(fd, message, flags);
}
