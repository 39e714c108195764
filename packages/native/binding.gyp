{
  "targets": [{
    "target_name": "effect_rpcudp_native",
    "sources": ["native/socket.c"],
    "cflags": ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"],
    "xcode_settings": { "OTHER_CFLAGS": ["-std=gnu11", "-Wall", "-Wextra", "-fvisibility=hidden"] }
  }]
}
