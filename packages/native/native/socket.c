/*
 * A UDP socket that works in batches, for one thread of Node's and its loop. It knows sockets, batches and errno, and
 * nothing of what datagrams say.
 *
 *   in   the loop finds the socket readable: one recvmmsg into slots, the datagrams copied one behind the other into a
 *        pool of JavaScript's, and one call of `onBatch`
 *   out  JavaScript writes datagrams and where they go into arrays that both sides see: one sendmmsg after each batch
 *        that arrived, before the loop waits, and when JavaScript finds the arrays full
 *
 * JavaScript may do what it likes to the arrays: detach them, or write any number. So no pointer to its memory outlives
 * the function that asked for it, and each number is checked when it is used.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 8
#include <errno.h>
#include <netinet/udp.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

enum {
  batch_size = 32,          /* messages that one system call takes or gives: few, so that the other end is at work meanwhile */
  outbound_size = 256,      /* datagrams that may wait to be sent */
  outbound_bytes = 1 << 17, /* and their bytes, all together: more than the longest datagram has */
  pool_bytes = 1 << 14,     /* what a datagram that is kept may keep with it */
  joined_size = 64,         /* datagrams in one message: UDP_MAX_SEGMENTS of Linux 4.18 */
  joined_bytes = 65507,     /* and their bytes, all together */
  segment_bytes = 1232,     /* of each of them: what every link carries (RFC 8200, 5), less its headers */
  /* No datagram is longer than 65,527 bytes, so none is cut. 192 more keep slots from sharing lines of a cache. */
  slot_bytes = 65536 + 192
};

/*
 * A datagram in an array: where its bytes are, and its peer. An IPv4 address is given as the IPv6 address it is mapped to
 * (RFC 4291, 2.5.5.2). The first record of an array is its head.
 */
enum { r_offset, r_length, r_port, r_scope, r_address, record_size = 8 };
enum { in_count, in_dropped };
enum { out_count, out_sent };

enum { flag_ipv6 = 1, flag_ipv6_only = 2, flag_reuse_address = 4, flag_reuse_port = 8 };

#if defined(__linux__) && !defined(ONE_BY_ONE)
enum { send_size = batch_size };
typedef struct mmsghdr Message;
#else
/* One at a time, so that what is refused says why, as sendmmsg does for the first. */
enum { send_size = 1 };
typedef struct { struct msghdr msg_hdr; unsigned int msg_len; } Message;
#endif

/* What goes with a message: a number, either way. */
typedef union { struct cmsghdr head; char bytes[CMSG_SPACE(sizeof(uint32_t))]; } Control;

/* What system calls read and write. It is used between two calls of JavaScript only, so a thread's sockets share one. */
typedef struct {
  Message messages[batch_size];
  struct iovec parts[batch_size];
  struct sockaddr_storage addresses[batch_size];
  Control controls[batch_size];
  char slots[batch_size * slot_bytes];
} Scratch;

typedef struct {
  napi_env env;
  Scratch* scratch;
  uv_udp_t udp; /* opens, binds and closes; it never reads or writes */
  uv_poll_t poll;
  uv_prepare_t prepare;
  uv_os_fd_t fd;
  int family;
  napi_ref inbound, outbound, bytes, refused; /* arrays */
  napi_ref pool;
  size_t pool_used;
  napi_ref on_batch, on_refused;
  napi_async_cleanup_hook_handle cleanup;
  uint32_t dropped; /* by the kernel, since the socket was opened; it wraps */
  uint32_t sent;    /* of the records that wait, how many are done with */
  uint32_t untold;  /* how many of those were refused, and JavaScript does not know it yet */
  bool joins; /* the kernel cuts a message into datagrams */
  bool polls;
  bool blocked; /* the kernel takes no more until it says so */
  bool closing;
  int handles; /* of libuv's that are not closed yet */
  int owners;  /* the loop, and JavaScript's object */
} Socket;

static void on_ready(uv_poll_t* poll, int status, int events);
static void on_prepare(uv_prepare_t* prepare);
static void on_closed(uv_handle_t* handle);

/* --------------------------------------------------------------------------------------------------------------------
 * arrays and records
 * ------------------------------------------------------------------------------------------------------------------ */

/* The memory of an array of ours. False if it has become shorter than we made it: somebody has detached it. */
static bool memory_of(napi_env env, napi_ref array, size_t least, void** memory) {
  napi_value value;
  size_t length;
  return napi_get_reference_value(env, array, &value) == napi_ok && value != NULL &&
    napi_get_typedarray_info(env, value, NULL, &length, memory, NULL, NULL) == napi_ok && length >= least;
}

static const size_t inbound_words = record_size * (batch_size + 1);
static const size_t outbound_words = record_size * (outbound_size + 1);
static const size_t refused_words = 2 * outbound_size;

/* Returns 0, or what is wrong with the record's peer. */
static int to_native(int family, const int32_t* record, struct sockaddr_storage* native, socklen_t* length) {
  uint32_t words[4];
  if (record[r_port] < 0 || record[r_port] > 65535) return EINVAL;
  for (int i = 0; i < 4; i++) words[i] = htonl((uint32_t) record[r_address + i]);
  memset(native, 0, sizeof *native);
  if (family == AF_INET6) {
    struct sockaddr_in6* in6 = (struct sockaddr_in6*) native;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t) record[r_port]);
    in6->sin6_scope_id = (uint32_t) record[r_scope];
    memcpy(&in6->sin6_addr, words, sizeof words);
    *length = sizeof *in6;
    return 0;
  }
  if (words[0] != 0 || words[1] != 0 || words[2] != htonl(0xffff)) return EAFNOSUPPORT;
  struct sockaddr_in* in = (struct sockaddr_in*) native;
  in->sin_family = AF_INET;
  in->sin_port = htons((uint16_t) record[r_port]);
  in->sin_addr.s_addr = words[3];
  *length = sizeof *in;
  return 0;
}

static void from_native(const struct sockaddr_storage* native, int32_t* record) {
  uint32_t words[4] = { 0, 0, htonl(0xffff), 0 };
  record[r_scope] = 0;
  if (native->ss_family == AF_INET6) {
    const struct sockaddr_in6* in6 = (const struct sockaddr_in6*) native;
    record[r_port] = ntohs(in6->sin6_port);
    record[r_scope] = (int32_t) in6->sin6_scope_id;
    memcpy(words, &in6->sin6_addr, sizeof words);
  } else {
    const struct sockaddr_in* in = (const struct sockaddr_in*) native;
    record[r_port] = ntohs(in->sin_port);
    words[3] = in->sin_addr.s_addr;
  }
  for (int i = 0; i < 4; i++) record[r_address + i] = (int32_t) ntohl(words[i]);
}

/* --------------------------------------------------------------------------------------------------------------------
 * system calls
 * ------------------------------------------------------------------------------------------------------------------ */

/* As recvmmsg(2): how many have arrived, or -1 and errno. */
static int receive_many(int fd, Message* messages, unsigned int count) {
#if defined(__linux__) && !defined(ONE_BY_ONE)
  return recvmmsg(fd, messages, count, MSG_DONTWAIT, NULL);
#else
  unsigned int n = 0;
  for (; n < count; n++) {
    ssize_t length = recvmsg(fd, &messages[n].msg_hdr, MSG_DONTWAIT);
    if (length < 0) break;
    messages[n].msg_len = (unsigned int) length;
  }
  return n > 0 ? (int) n : -1;
#endif
}

/* As sendmmsg(2): how many were taken, or -1 and the errno of the first. */
static int send_many(int fd, Message* messages, unsigned int count) {
#if defined(__linux__) && !defined(ONE_BY_ONE)
  return sendmmsg(fd, messages, count, MSG_DONTWAIT);
#else
  (void) count;
  return sendmsg(fd, &messages->msg_hdr, MSG_DONTWAIT) < 0 ? -1 : 1;
#endif
}

/* Whether the kernel cuts a message into datagrams (udp(7), UDP_SEGMENT). An older one would send it as it is. */
static bool can_join(int fd) {
#if defined(UDP_SEGMENT) && !defined(ONE_BY_ONE)
  int segment;
  socklen_t length = sizeof segment;
  return getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, &length) == 0;
#else
  (void) fd;
  return false;
#endif
}

/* Has the kernel cut a message into datagrams of that length, of which the last may be shorter. */
static void cut(struct msghdr* header, Control* control, uint16_t length) {
#ifdef UDP_SEGMENT
  header->msg_control = control;
  header->msg_controllen = CMSG_SPACE(sizeof length);
  control->head = (struct cmsghdr) {
    .cmsg_len = CMSG_LEN(sizeof length), .cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_SEGMENT
  };
  memcpy(CMSG_DATA(&control->head), &length, sizeof length);
#else
  (void) header;
  (void) control;
  (void) length;
#endif
}

/* Asks the kernel to say with each datagram how many it has dropped. Systems that cannot say 0. */
static void count_drops(int fd) {
#ifdef SO_RXQ_OVFL
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
#else
  (void) fd;
#endif
}

static void read_drops(struct msghdr* header, uint32_t* dropped) {
#ifdef SO_RXQ_OVFL
  for (struct cmsghdr* c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) memcpy(dropped, CMSG_DATA(c), sizeof *dropped);
  }
#else
  (void) header;
  (void) dropped;
#endif
}

/* --------------------------------------------------------------------------------------------------------------------
 * in
 * ------------------------------------------------------------------------------------------------------------------ */

/* Calls JavaScript from the loop. Afterwards the socket may be closing, but it is still there. */
static void call(Socket* socket, napi_ref callback, napi_value argument) {
  napi_env env = socket->env;
  napi_value function, global, error;
  if (napi_get_reference_value(env, callback, &function) != napi_ok || napi_get_global(env, &global) != napi_ok) return;
  if (napi_make_callback(env, NULL, global, function, 1, &argument, NULL) != napi_pending_exception) return;
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
}

/* Room for that many bytes in the pool, or in a new one. */
static char* room(Socket* socket, size_t bytes, napi_value* pool) {
  napi_env env = socket->env;
  void* memory;
  size_t length;
  if (socket->pool != NULL) {
    if (napi_get_reference_value(env, socket->pool, pool) == napi_ok &&
        napi_get_arraybuffer_info(env, *pool, &memory, &length) == napi_ok && length >= socket->pool_used + bytes) {
      return memory;
    }
    napi_delete_reference(env, socket->pool);
    socket->pool = NULL;
  }
  socket->pool_used = 0;
  length = bytes > pool_bytes ? bytes : pool_bytes;
  if (napi_create_arraybuffer(env, length, &memory, pool) != napi_ok) return NULL;
  return napi_create_reference(env, *pool, 1, &socket->pool) == napi_ok ? memory : NULL;
}

/* Takes one batch. What is left is for the next turn of the loop, so that others have theirs. */
static void receive(Socket* socket) {
  Scratch* scratch = socket->scratch;
  for (int i = 0; i < batch_size; i++) {
    scratch->parts[i] = (struct iovec) { scratch->slots + (size_t) i * slot_bytes, slot_bytes };
    scratch->messages[i].msg_hdr = (struct msghdr) {
      .msg_name = &scratch->addresses[i],
      .msg_namelen = sizeof scratch->addresses[i],
      .msg_iov = &scratch->parts[i],
      .msg_iovlen = 1,
      .msg_control = &scratch->controls[i],
      .msg_controllen = sizeof scratch->controls[i]
    };
  }
  int count = receive_many(socket->fd, scratch->messages, batch_size);
  /* An error here is of no send and of no datagram: a later call may do better. */
  if (count <= 0) return;

  size_t total = 0;
  for (int i = 0; i < count; i++) total += scratch->messages[i].msg_len;
  void* memory;
  napi_value pool;
  char* bytes = room(socket, total, &pool);
  if (bytes == NULL || !memory_of(socket->env, socket->inbound, inbound_words, &memory)) return;
  int32_t* words = memory;
  for (int i = 0; i < count; i++) {
    Message* message = &scratch->messages[i];
    int32_t* record = words + record_size * (i + 1);
    record[r_offset] = (int32_t) socket->pool_used;
    record[r_length] = (int32_t) message->msg_len;
    from_native(&scratch->addresses[i], record);
    memcpy(bytes + socket->pool_used, scratch->parts[i].iov_base, message->msg_len);
    socket->pool_used += message->msg_len;
    read_drops(&message->msg_hdr, &socket->dropped);
  }
  words[in_count] = count;
  words[in_dropped] = (int32_t) socket->dropped;
  call(socket, socket->on_batch, pool);
}

/* --------------------------------------------------------------------------------------------------------------------
 * out
 * ------------------------------------------------------------------------------------------------------------------ */

static void poll_for(Socket* socket, bool writable) {
  socket->blocked = writable;
  uv_poll_start(&socket->poll, UV_READABLE | (writable ? UV_WRITABLE : 0), on_ready);
}

/* Whether a record's bytes are within ours. */
static bool is_inside(const int32_t* record) {
  return record[r_offset] >= 0 && record[r_length] >= 0 && record[r_length] <= outbound_bytes - record[r_offset];
}

/* Makes a message of a record. Returns 0, or what is wrong with the record. */
static int to_message(Socket* socket, const int32_t* record, char* bytes, unsigned int i) {
  Scratch* scratch = socket->scratch;
  socklen_t length;
  if (!is_inside(record)) return EINVAL;
  int error = to_native(socket->family, record, &scratch->addresses[i], &length);
  if (error != 0) return error;
  scratch->parts[i] = (struct iovec) { bytes + record[r_offset], (size_t) record[r_length] };
  scratch->messages[i].msg_hdr = (struct msghdr) {
    .msg_name = &scratch->addresses[i], .msg_namelen = length, .msg_iov = &scratch->parts[i], .msg_iovlen = 1
  };
  return 0;
}

/*
 * Adds to the message of a record those behind it, at most so many, that can go as one with it: to the same peer, as long
 * as it, but the last, which may be shorter, and their bytes one behind the other. Returns how many.
 */
static uint32_t join(Socket* socket, const int32_t* first, uint32_t most, unsigned int i) {
  struct iovec* part = &socket->scratch->parts[i];
  int32_t length = first[r_length];
  uint32_t joined = 0;
  if (!socket->joins || length > segment_bytes) return 0;
  for (const int32_t* record = first + record_size; joined < most && joined + 1 < joined_size; record += record_size) {
    if (memcmp(record + r_port, first + r_port, (record_size - r_port) * sizeof *record) != 0 || !is_inside(record) ||
        record[r_offset] != first[r_offset] + (int32_t) part->iov_len || record[r_length] == 0 ||
        record[r_length] > length || (int32_t) part->iov_len + record[r_length] > joined_bytes) break;
    part->iov_len += (size_t) record[r_length];
    joined++;
    if (record[r_length] < length) break;
  }
  if (joined > 0) cut(&socket->scratch->messages[i].msg_hdr, &socket->scratch->controls[i], (uint16_t) length);
  return joined;
}

/* Makes room for new records once all are done with. Those that were refused must be told before they are overwritten. */
static void make_room(Socket* socket, int32_t* words, uint32_t count) {
  if (socket->sent >= count) {
    socket->sent = 0;
    words[out_count] = 0;
  }
  words[out_sent] = (int32_t) socket->sent;
}

/* How many records wait, sent or not. */
static uint32_t count_of(const int32_t* words) {
  return words[out_count] < 0 || words[out_count] > outbound_size ? 0 : (uint32_t) words[out_count];
}

/*
 * Sends what waits, in the order it was written. What the system refuses stands in `refused`, each with its own error:
 * returns how many, with those that JavaScript was not told of before. What the system has no room for waits until the
 * socket is writable.
 */
static uint32_t flush(Socket* socket) {
  void *head, *bytes, *refusals;
  if (socket->blocked || !memory_of(socket->env, socket->outbound, outbound_words, &head)) return socket->untold;
  int32_t* words = head;
  /* Before the loop waits, nothing does for the most part. */
  if (words[out_count] == 0 && socket->sent == 0) return socket->untold;
  if (!memory_of(socket->env, socket->bytes, outbound_bytes, &bytes) ||
      !memory_of(socket->env, socket->refused, refused_words, &refusals)) return socket->untold;
  int32_t* refused = refusals;
  uint32_t count = count_of(words);
  /* Never more than `sent`, and so never more than `refused` has room for. */
  uint32_t refused_count = socket->untold;
  /* What the system refuses as one message goes one by one, so that each has its own error. */
  uint32_t apart = 0;
  while (socket->sent < count) {
    int error = 0;
    unsigned int n = 0;
    uint32_t next = socket->sent, ends[send_size];
    for (; n < send_size && next < count; n++) {
      const int32_t* record = words + record_size * (next + 1);
      error = to_message(socket, record, bytes, n);
      if (error != 0) break;
      next++;
      if (next > apart) next += join(socket, record, count - next, n);
      ends[n] = next;
    }
    if (n > 0) {
      int taken = send_many(socket->fd, socket->scratch->messages, n);
      if (taken > 0) {
        socket->sent = ends[taken - 1];
        continue;
      }
      error = errno;
    }
    if (error == EINTR) continue;
    if (error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS) {
      poll_for(socket, true);
      break;
    }
    if (n > 0 && ends[0] > socket->sent + 1) {
      apart = ends[0];
      continue;
    }
    refused[2 * refused_count] = (int32_t) socket->sent++;
    refused[2 * refused_count++ + 1] = uv_translate_sys_error(error);
  }
  if (refused_count == 0) make_room(socket, words, count);
  return refused_count;
}

/* As `flush`, for who tells JavaScript at once. */
static uint32_t flush_to_tell(Socket* socket) {
  void* words;
  /* The references to the arrays are gone, or soon will be. */
  if (socket->closing) return 0;
  uint32_t refused = flush(socket);
  socket->untold = 0;
  if (refused > 0 && memory_of(socket->env, socket->outbound, outbound_words, &words)) {
    make_room(socket, words, count_of(words));
  }
  return refused;
}

/* --------------------------------------------------------------------------------------------------------------------
 * the loop
 * ------------------------------------------------------------------------------------------------------------------ */

static void on_ready(uv_poll_t* poll, int status, int events) {
  Socket* socket = poll->data;
  napi_env env = socket->env;
  napi_handle_scope scope;
  napi_value argument;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  if (status < 0) {
    /* The socket has an error that is of no send: reading it clears it. libuv has stopped polling. */
    int error;
    socklen_t length = sizeof error;
    getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    poll_for(socket, socket->blocked);
  }
  if (events & UV_WRITABLE) poll_for(socket, false);
  if (events & UV_READABLE) receive(socket);
  uint32_t refused = flush_to_tell(socket);
  if (refused > 0 && napi_create_uint32(env, refused, &argument) == napi_ok) call(socket, socket->on_refused, argument);
  napi_close_handle_scope(env, scope);
}

/*
 * The loop is about to wait. No JavaScript is called here: it might send over another socket, whose turn has passed. So
 * what is refused is told once the socket is writable, which it is unless the kernel has no room.
 */
static void on_prepare(uv_prepare_t* prepare) {
  Socket* socket = prepare->data;
  napi_handle_scope scope;
  if (napi_open_handle_scope(socket->env, &scope) != napi_ok) return;
  socket->untold = flush(socket);
  /* It is not blocked by that, or what is sent meanwhile would wait, too. */
  if (socket->untold > 0) uv_poll_start(&socket->poll, UV_READABLE | UV_WRITABLE, on_ready);
  napi_close_handle_scope(socket->env, scope);
}

/* --------------------------------------------------------------------------------------------------------------------
 * opening and closing
 * ------------------------------------------------------------------------------------------------------------------ */

static void release(Socket* socket) {
  if (--socket->owners == 0) free(socket);
}

static void on_closed(uv_handle_t* handle) {
  Socket* socket = handle->data;
  if (--socket->handles > 0) return;
  napi_ref references[] = {
    socket->inbound, socket->outbound, socket->bytes, socket->refused, socket->pool, socket->on_batch, socket->on_refused
  };
  for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
    if (references[i] != NULL) napi_delete_reference(socket->env, references[i]);
  }
  if (socket->cleanup != NULL) napi_remove_async_cleanup_hook(socket->cleanup);
  release(socket);
}

static void close_socket(Socket* socket) {
  if (socket->closing) return;
  socket->closing = true;
  /* The poll first: a descriptor must not be closed while it is polled. */
  if (socket->polls) uv_close((uv_handle_t*) &socket->poll, on_closed);
  uv_close((uv_handle_t*) &socket->prepare, on_closed);
  uv_close((uv_handle_t*) &socket->udp, on_closed);
}

/* The environment ends, and waits until the hook is removed. */
static void on_cleanup(napi_async_cleanup_hook_handle hook, void* data) {
  (void) hook;
  close_socket(data);
}

static void on_finalized(napi_env env, void* data, void* hint) {
  (void) env;
  (void) hint;
  release(data);
}

/* Returns 0, or an error of libuv's, with the name of what failed. */
static int bind_socket(Socket* socket, const struct sockaddr_storage* address, uint32_t flags, const char** what) {
  unsigned int options = (flags & flag_ipv6_only ? UV_UDP_IPV6ONLY : 0) |
    (flags & flag_reuse_address ? UV_UDP_REUSEADDR : 0) | (flags & flag_reuse_port ? UV_UDP_REUSEPORT : 0);
  int error;
  *what = "bind";
  if ((error = uv_udp_bind(&socket->udp, (const struct sockaddr*) address, options)) != 0) return error;
  *what = "poll";
  if ((error = uv_fileno((uv_handle_t*) &socket->udp, &socket->fd)) != 0) return error;
  if ((error = uv_poll_init(socket->udp.loop, &socket->poll, socket->fd)) != 0) return error;
  socket->polls = true;
  socket->poll.data = socket;
  socket->handles++;
  socket->joins = can_join(socket->fd);
  count_drops(socket->fd);
  poll_for(socket, false);
  uv_prepare_start(&socket->prepare, on_prepare);
  return 0;
}

/* --------------------------------------------------------------------------------------------------------------------
 * what JavaScript calls
 * ------------------------------------------------------------------------------------------------------------------ */

static const napi_type_tag socket_tag = { 0x9b1f2c5d7a3e4806, 0xb64d8e0f1a2c3957 };

static napi_value refuse_argument(napi_env env, const char* what) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE", what);
  return NULL;
}

static napi_value throw_error(napi_env env, const char* what, int error) {
  char message[128] = "";
  strncat(message, what, 16);
  strncat(message, ": ", 3);
  strncat(message, uv_strerror(error), 100);
  napi_throw_error(env, uv_err_name(error), message);
  return NULL;
}

static bool unsigned_of(napi_env env, napi_value value, uint32_t most, uint32_t* result) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok || !(number >= 0 && number <= most)) return false;
  *result = (uint32_t) number;
  return *result == number;
}

static bool is_function(napi_env env, napi_value value) {
  napi_valuetype type;
  return napi_typeof(env, value, &type) == napi_ok && type == napi_function;
}

/* The socket of an object that `open` has made; NULL, and an exception, for anything else. */
static Socket* socket_of(napi_env env, napi_value value) {
  bool ours = false;
  napi_valuetype type;
  void* data;
  if (napi_typeof(env, value, &type) == napi_ok && type == napi_object &&
      napi_check_object_type_tag(env, value, &socket_tag, &ours) == napi_ok && ours &&
      napi_unwrap(env, value, &data) == napi_ok) return data;
  refuse_argument(env, "not a socket");
  return NULL;
}

/* Makes an array, as a property of the object, and as a reference that keeps it. */
static bool make_array(
  napi_env env, napi_value object, const char* name, napi_typedarray_type type, size_t length, napi_ref* reference
) {
  void* memory;
  napi_value buffer, array;
  size_t bytes = type == napi_int32_array ? 4 * length : length;
  return napi_create_arraybuffer(env, bytes, &memory, &buffer) == napi_ok &&
    napi_create_typedarray(env, type, length, buffer, 0, &array) == napi_ok &&
    napi_create_reference(env, array, 1, reference) == napi_ok &&
    napi_set_named_property(env, object, name, array) == napi_ok;
}

/* Makes the object that stands for the socket. What fails leaves an exception, and the socket to its caller. */
static bool make_object(Socket* socket, napi_value on_batch, napi_value on_refused, napi_value* object) {
  napi_env env = socket->env;
  struct sockaddr_storage bound;
  int length = sizeof bound;
  int32_t record[record_size];
  napi_value port;
  memset(&bound, 0, sizeof bound);
  if (uv_udp_getsockname(&socket->udp, (struct sockaddr*) &bound, &length) != 0) return false;
  from_native(&bound, record);
  return napi_create_object(env, object) == napi_ok &&
    napi_create_int32(env, record[r_port], &port) == napi_ok &&
    napi_set_named_property(env, *object, "port", port) == napi_ok &&
    make_array(env, *object, "inbound", napi_int32_array, inbound_words, &socket->inbound) &&
    make_array(env, *object, "outbound", napi_int32_array, outbound_words, &socket->outbound) &&
    make_array(env, *object, "bytes", napi_uint8_array, outbound_bytes, &socket->bytes) &&
    make_array(env, *object, "refused", napi_int32_array, refused_words, &socket->refused) &&
    napi_create_reference(env, on_batch, 1, &socket->on_batch) == napi_ok &&
    napi_create_reference(env, on_refused, 1, &socket->on_refused) == napi_ok &&
    napi_add_async_cleanup_hook(env, on_cleanup, socket, &socket->cleanup) == napi_ok &&
    napi_type_tag_object(env, *object, &socket_tag) == napi_ok &&
    napi_wrap(env, *object, socket, on_finalized, NULL, NULL) == napi_ok;
}

/* open(record, flags, onBatch, onRefused): a socket bound to the record's address and port. */
static napi_value js_open(napi_env env, napi_callback_info info) {
  size_t argc = 4;
  napi_value argv[4], object;
  napi_typedarray_type type;
  size_t length;
  void *memory, *scratch;
  bool is_array;
  uint32_t flags;
  uv_loop_t* loop;
  struct sockaddr_storage address;
  socklen_t address_length;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok) return NULL;
  if (argc < 4 || napi_is_typedarray(env, argv[0], &is_array) != napi_ok || !is_array ||
      napi_get_typedarray_info(env, argv[0], &type, &length, &memory, NULL, NULL) != napi_ok ||
      type != napi_int32_array || length != record_size) return refuse_argument(env, "not a record");
  if (!unsigned_of(env, argv[1], 15, &flags)) return refuse_argument(env, "not flags");
  if (!is_function(env, argv[2]) || !is_function(env, argv[3])) return refuse_argument(env, "not a function");
  int family = flags & flag_ipv6 ? AF_INET6 : AF_INET;
  if (to_native(family, memory, &address, &address_length) != 0) return refuse_argument(env, "not an address");
  if (napi_get_instance_data(env, &scratch) != napi_ok || napi_get_uv_event_loop(env, &loop) != napi_ok) return NULL;

  Socket* socket = calloc(1, sizeof *socket);
  if (socket == NULL) return throw_error(env, "open", UV_ENOMEM);
  int error = uv_udp_init_ex(loop, &socket->udp, (unsigned int) family);
  if (error != 0) {
    free(socket);
    return throw_error(env, "open", error);
  }
  uv_prepare_init(loop, &socket->prepare);
  socket->udp.data = socket->prepare.data = socket;
  socket->env = env;
  socket->scratch = scratch;
  socket->family = family;
  socket->handles = 2;
  socket->owners = 1;
  const char* what;
  if ((error = bind_socket(socket, &address, flags, &what)) != 0) {
    close_socket(socket);
    return throw_error(env, what, error);
  }
  if (!make_object(socket, argv[2], argv[3], &object)) {
    close_socket(socket);
    return throw_error(env, "open", UV_ENOMEM);
  }
  socket->owners = 2;
  return object;
}

/* flush(socket): sends what waits. Returns how many were refused, which are not told again. */
static napi_value js_flush(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argument, result;
  if (napi_get_cb_info(env, info, &argc, &argument, NULL, NULL) != napi_ok) return NULL;
  Socket* socket = socket_of(env, argument);
  if (socket == NULL) return NULL;
  return napi_create_uint32(env, flush_to_tell(socket), &result) == napi_ok ? result : NULL;
}

/* bufferSize(socket, which, bytes): asks for a buffer of that size; 0 changes nothing. Returns what the system grants. */
static napi_value js_buffer_size(napi_env env, napi_callback_info info) {
  size_t argc = 3;
  napi_value argv[3], result;
  uint32_t which, bytes;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok) return NULL;
  Socket* socket = socket_of(env, argv[0]);
  if (socket == NULL) return NULL;
  if (!unsigned_of(env, argv[1], 1, &which)) return refuse_argument(env, "not a buffer");
  if (!unsigned_of(env, argv[2], INT32_MAX, &bytes)) return refuse_argument(env, "not a size");
  if (socket->closing) return throw_error(env, "buffer", UV_EBADF);
  uv_handle_t* handle = (uv_handle_t*) &socket->udp;
  int value = (int) bytes;
  int error = which == 0 ? uv_recv_buffer_size(handle, &value) : uv_send_buffer_size(handle, &value);
  if (error != 0) return throw_error(env, "buffer", error);
  value = 0;
  error = which == 0 ? uv_recv_buffer_size(handle, &value) : uv_send_buffer_size(handle, &value);
  if (error != 0) return throw_error(env, "buffer", error);
  return napi_create_int32(env, value, &result) == napi_ok ? result : NULL;
}

/* close(socket): gives the port back at once. What waits is not sent. A second time it does nothing. */
static napi_value js_close(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argument;
  if (napi_get_cb_info(env, info, &argc, &argument, NULL, NULL) != napi_ok) return NULL;
  Socket* socket = socket_of(env, argument);
  if (socket != NULL) close_socket(socket);
  return NULL;
}

static void free_scratch(napi_env env, void* data, void* hint) {
  (void) env;
  (void) hint;
  free(data);
}

NAPI_MODULE_INIT() {
  Scratch* scratch = malloc(sizeof *scratch);
  if (scratch == NULL) return throw_error(env, "load", UV_ENOMEM);
  if (napi_set_instance_data(env, scratch, free_scratch, NULL) != napi_ok) {
    free(scratch);
    return NULL;
  }
  napi_property_descriptor functions[] = {
    { "open", NULL, js_open, NULL, NULL, NULL, napi_enumerable, NULL },
    { "flush", NULL, js_flush, NULL, NULL, NULL, napi_enumerable, NULL },
    { "bufferSize", NULL, js_buffer_size, NULL, NULL, NULL, napi_enumerable, NULL },
    { "close", NULL, js_close, NULL, NULL, NULL, napi_enumerable, NULL }
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
  return exports;
}
