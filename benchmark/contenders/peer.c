/*
 * sendto and recvfrom in C: the exchange of dgram.ts with a 20-byte id and a table. With -DBATCH=32 recvmmsg and sendmmsg;
 * with -DCUT, too, what is sent is one message that the kernel cuts (all goes to one peer, and is as long): the limit of the
 * system.
 * It speaks to the harness as worker.ts does: `peer serve`, or `peer call <port>`.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ID = 20, ARGUMENT = 16, REPLY = 40, SLOTS = 65536, LATENCIES = 1 << 24 };

static const double LOST_AFTER = 1e6; /* microseconds */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int open_socket(struct sockaddr_in *bound) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  socklen_t length = sizeof *bound;
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any) != 0) exit(1);
  getsockname(fd, (struct sockaddr *)bound, &length);
  return fd;
}

#ifndef BATCH
#define BATCH 1
#endif

/* What `take` has taken, and what `give` has yet to send. */
static struct batch {
  unsigned char bytes[BATCH][2048];
  struct sockaddr_in addresses[BATCH];
  size_t lengths[BATCH];
} in, out;
static int given;

#if BATCH > 1
static struct mmsghdr *messages_of(struct batch *batch) {
  static struct mmsghdr messages[BATCH];
  static struct iovec parts[BATCH];
  for (int i = 0; i < BATCH; i++) {
    parts[i] = (struct iovec){batch->bytes[i], batch == &in ? sizeof in.bytes[i] : batch->lengths[i]};
    messages[i].msg_hdr = (struct msghdr){.msg_name = &batch->addresses[i],
                                          .msg_namelen = sizeof batch->addresses[i],
                                          .msg_iov = &parts[i],
                                          .msg_iovlen = 1};
  }
  return messages;
}
#endif

/* How many datagrams have arrived. Those that are too short are empty. */
static int take(int fd) {
#if BATCH > 1
  struct mmsghdr *messages = messages_of(&in);
  int count = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
  for (int i = 0; i < count; i++) in.lengths[i] = messages[i].msg_len;
  return count;
#else
  socklen_t length = sizeof in.addresses[0];
  ssize_t bytes = recvfrom(fd, in.bytes[0], sizeof in.bytes[0], MSG_DONTWAIT, (struct sockaddr *)in.addresses, &length);
  if (bytes < 0) return 0;
  in.lengths[0] = bytes;
  return 1;
#endif
}

static void flush(int fd) {
#ifdef CUT
  static union { struct cmsghdr head; char bytes[CMSG_SPACE(sizeof(uint16_t))]; } control;
  struct mmsghdr *messages = messages_of(&out);
  uint16_t length = out.lengths[0];
  struct msghdr *joined = &messages[0].msg_hdr;
  joined->msg_iovlen = given;
  if (given > 1) {
    joined->msg_control = &control;
    joined->msg_controllen = sizeof control;
    control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof length), .cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT};
    memcpy(CMSG_DATA(&control.head), &length, sizeof length);
  }
  if (given > 0) sendmsg(fd, joined, 0);
#elif BATCH > 1
  if (given > 0) sendmmsg(fd, messages_of(&out), given, 0);
#else
  if (given > 0) sendto(fd, out.bytes[0], out.lengths[0], 0, (struct sockaddr *)out.addresses, sizeof out.addresses[0]);
#endif
  given = 0;
}

static void give(int fd, const unsigned char *bytes, size_t length, const struct sockaddr_in *to) {
  memcpy(out.bytes[given], bytes, length);
  out.lengths[given] = length;
  out.addresses[given] = *to;
  if (++given == BATCH) flush(fd);
}

static void serve(void) {
  struct sockaddr_in bound;
  int fd = open_socket(&bound);
  unsigned char reply[ID + REPLY];
  memset(reply, 'r', sizeof reply);
  printf("port %d\n", ntohs(bound.sin_port));
  fflush(stdout);
  /* Ends with whoever started it. */
  struct pollfd polled[2] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
  while (poll(polled, 2, -1) > 0 && polled[1].revents == 0) {
    for (int count; (count = take(fd)) > 0; flush(fd)) {
      for (int i = 0; i < count; i++) {
        if (in.lengths[i] < ID) continue;
        memcpy(reply, in.bytes[i], ID);
        give(fd, reply, sizeof reply, &in.addresses[i]);
      }
    }
  }
}

/* The table: calls in flight by the first bytes of their id, which name a slot; the rest is random. */
static struct { unsigned char id[ID]; double started; int busy; } slots[SLOTS];
static double *latencies;
static long calls, lost;
static int fd;
static struct sockaddr_in server;

static void random_bytes(unsigned char *to, size_t length) {
  static unsigned char pool[8192];
  static size_t used = sizeof pool;
  if (used + length > sizeof pool) {
    for (size_t filled = 0; filled < sizeof pool; filled += 256) {
      if (getrandom(pool + filled, 256, 0) != 256) exit(1);
    }
    used = 0;
  }
  memcpy(to, pool + used, length);
  used += length;
}

static void call(int slot) {
  unsigned char request[ID + ARGUMENT];
  random_bytes(slots[slot].id, ID);
  memcpy(slots[slot].id, &slot, sizeof slot);
  memcpy(request, slots[slot].id, ID);
  memcpy(request + ID, "0123456789abcdef", ARGUMENT);
  slots[slot].started = now();
  slots[slot].busy = 1;
  give(fd, request, sizeof request, &server);
}

/* Takes what has arrived, waiting at most a tenth of a second for it. */
static void receive(int again) {
  struct pollfd polled = {.fd = fd, .events = POLLIN};
  flush(fd);
  if (poll(&polled, 1, 100) <= 0) return;
  for (int taken = 0, count; taken < 64 && (count = take(fd)) > 0; taken += count) {
    for (int i = 0; i < count; i++) {
      int slot;
      memcpy(&slot, in.bytes[i], sizeof slot);
      if (in.lengths[i] < ID || slot < 0 || slot >= SLOTS || !slots[slot].busy ||
          memcmp(slots[slot].id, in.bytes[i], ID) != 0) continue;
      slots[slot].busy = 0;
      if (calls < LATENCIES) latencies[calls++] = now() - slots[slot].started;
      if (again) call(slot);
    }
  }
}

static void run_for(double micros, int in_flight) {
  double until = now() + micros, swept = now();
  while (now() < until) {
    receive(1);
    if (now() - swept < 250e3) continue;
    swept = now();
    for (int i = 0; i < in_flight; i++) {
      if (!slots[i].busy || swept - slots[i].started < LOST_AFTER) continue;
      lost++;
      call(i);
    }
  }
}

static int busy(int in_flight) {
  int count = 0;
  for (int i = 0; i < in_flight; i++) count += slots[i].busy;
  return count;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void make_calls(int port) {
  struct sockaddr_in bound;
  int in_flight;
  double warm_up, measure;
  fd = open_socket(&bound);
  server = bound;
  server.sin_port = htons(port);
  latencies = malloc(LATENCIES * sizeof *latencies);
  call(0);
  while (slots[0].busy) receive(0);
  printf("connected\n");
  fflush(stdout);
  while (scanf("%d %lf %lf", &in_flight, &warm_up, &measure) == 3) {
    lost = 0;
    for (int i = 0; i < in_flight; i++) call(i);
    calls = 0;
    run_for(warm_up * 1e3, in_flight);
    printf("begin\n");
    fflush(stdout);
    calls = 0;
    double begin = now();
    run_for(measure * 1e3, in_flight);
    double seconds = (now() - begin) / 1e6;
    long measured = calls;
    qsort(latencies, measured, sizeof *latencies, ascending);
    double p50 = latencies[measured / 2], p99 = latencies[measured * 99 / 100], until = now() + LOST_AFTER;
    while (busy(in_flight) > 0 && now() < until) receive(0);
    lost += busy(in_flight);
    for (int i = 0; i < in_flight; i++) slots[i].busy = 0;
    printf("end %ld %f %f %f %ld\n", measured, seconds, p50, p99, lost);
    fflush(stdout);
  }
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "call") == 0) make_calls(atoi(argv[2]));
  else serve();
  return 0;
}
