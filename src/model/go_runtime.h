// Where the structures of Go's runtime and standard library keep what is read from a process's
// memory: offsets of one release on amd64. symbolize/go_layouts holds them for each release. They
// are those of ordinary builds: GOEXPERIMENT can move fields, so whoever reads checks what it
// reads. Value types; any thread.
#pragma once

#include <cstdint>

namespace unclosed {

// Offsets in bytes, named after the type and the field. In every release g begins with the bounds
// of its stack.
struct GoRuntimeLayout {
  int minor = 0;  // 26 for Go 1.26
  // runtime.g
  uint32_t g_size = 0, g_m = 0, g_sched_sp = 0, g_sched_pc = 0, g_syscall_sp = 0, g_syscall_pc = 0;
  uint32_t g_status = 0, g_id = 0, g_wait_since = 0, g_wait_reason = 0;
  uint32_t g_sequence = 0;  // a byte that counts how often it stopped running
  uint32_t g_parent = 0;    // 0: this release has none
  uint32_t g_go_pc = 0, g_start_pc = 0, g_waiting = 0, g_locked_m = 0;
  // runtime.m, runtime.sudog
  uint32_t m_thread = 0, sudog_channel = 0, sudog_next_of_g = 0;
  // runtime.hchan
  uint32_t channel_count = 0, channel_buffer = 0, channel_element_size = 0;
  // runtime.moduledata: where ranges begin; the end follows each beginning.
  uint32_t module_noptrdata = 0, module_data = 0, module_bss = 0, module_noptrbss = 0;
  uint32_t module_types = 0, module_next = 0, module_type_links = 0, module_itab_links = 0;
  // runtime.pollDesc, internal/poll.FD
  uint32_t poll_size = 0, poll_fd = 0, poll_reader = 0, poll_writer = 0, poll_closing = 0,
           poll_self = 0, poll_read_count = 0, poll_write_count = 0;
  uint32_t file_number = 0, file_poll = 0;
  // database/sql.DB and driverConn
  uint32_t pool_wait_time = 0, pool_free = 0, pool_open = 0, pool_opener = 0, pool_dependents = 0,
           pool_max_idle = 0, pool_max_open = 0, pool_waits = 0;
  uint32_t pooled_size = 0, pooled_pool = 0, pooled_driver = 0, pooled_closed = 0,
           pooled_in_use = 0;
  // net/http: conn, response, persistConn, requestAndChan, Request; net/url.URL
  uint32_t server_connection = 0, server_response = 0, response_server = 0, response_request = 0;
  uint32_t server_response_boxed = 0;  // where older releases have it; 0: not in this one
  uint32_t client_connection = 0, client_requests = 0, pending_size = 0;
  uint32_t request_method = 0, request_url = 0, url_path = 0;
  // runtime.mheap, runtime.heapArena, runtime.mspan
  uint32_t heap_spans = 0, heap_arenas = 0, arena_spans = 0;
  uint32_t span_size = 0, span_start = 0, span_pages = 0, span_free_index = 0;
  uint32_t span_elements = 0;  // two bytes behind span_free_index: both are 16 bits wide
  uint32_t span_element_size = 0, span_class = 0, span_state = 0, span_alloc_bits = 0;
  uint32_t span_large_type = 0;  // 0: objects of this release do not know their types

  bool operator==(const GoRuntimeLayout&) const = default;
};

}  // namespace unclosed
