/*
 * Stands before the system's sendmmsg and sendmsg: `cc -shared -fPIC faults.c -o faults.so`, then LD_PRELOAD. A datagram
 * of 'F', an errno and a number is refused with that errno, as many times: it counts down where it stands. A message that
 * is to be cut into datagrams, and has such a one, is refused with EIO. One that begins with 'P' is the last that a call
 * takes. One of 'M' and more tells in its second byte how many are cut from the message that it is in. With CUTS_NOTHING in
 * the environment the system knows nothing of UDP_SEGMENT.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static unsigned char* bytes_of(const struct msghdr* message) {
  return message->msg_iovlen == 1 && message->msg_iov->iov_len > 0 ? message->msg_iov->iov_base : 0;
}

/* The length of the datagrams that are cut from a message; that of the message, if none are. */
static size_t cut_of(const struct msghdr* message) {
  struct cmsghdr* control = CMSG_FIRSTHDR(message);
  uint16_t length;
  if (control == 0 || control->cmsg_level != SOL_UDP || control->cmsg_type != UDP_SEGMENT) return message->msg_iov->iov_len;
  memcpy(&length, CMSG_DATA(control), sizeof length);
  return length;
}

static int refuses(const struct msghdr* message) {
  unsigned char* bytes = bytes_of(message);
  if (bytes == 0) return 0;
  size_t total = message->msg_iov->iov_len, cut = cut_of(message);
  for (size_t at = 0; at < total; at += cut) {
    size_t length = total - at < cut ? total - at : cut;
    if (bytes[at] == 'M') bytes[at + 1] = (unsigned char) ((total + cut - 1) / cut);
    if (length == 3 && bytes[at] == 'F' && bytes[at + 2] > 0) return 1;
  }
  return 0;
}

static int refuse(const struct msghdr* message) {
  unsigned char* bytes = bytes_of(message);
  errno = EIO;
  if (cut_of(message) == message->msg_iov->iov_len) {
    bytes[2]--;
    errno = bytes[1];
  }
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

int getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
  static int (*next)(int, int, int, void*, socklen_t*);
  if (next == 0) next = dlsym(RTLD_NEXT, "getsockopt");
  if (level == SOL_UDP && name == UDP_SEGMENT && getenv("CUTS_NOTHING") != 0) {
    errno = ENOPROTOOPT;
    return -1;
  }
  return next(fd, level, name, value, length);
}
