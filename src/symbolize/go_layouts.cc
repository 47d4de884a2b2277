#include "symbolize/go_layouts.h"

namespace unclosed {
namespace {

using L = GoRuntimeLayout;
using Offsets = std::array<int32_t, kGoReleases>;

constexpr Offsets same(int32_t offset) {
  Offsets all{};
  all.fill(offset);
  return all;
}

// clang-format off
constexpr std::array kFields = {
    //                                                                  1.18 1.19 1.20 1.21 1.22 1.23 1.24 1.25 1.26
    GoField{"runtime.g", "", &L::g_size,                               {392, 392, 392, 408, 424, 432, 440, 440, 456}},
    GoField{"runtime.g", "m", &L::g_m,                                 same(48)},
    GoField{"runtime.g", "sched.sp", &L::g_sched_sp,                   same(56)},
    GoField{"runtime.g", "sched.pc", &L::g_sched_pc,                   same(64)},
    GoField{"runtime.g", "syscallsp", &L::g_syscall_sp,                {112, 112, 112, 112, 112, 112, 112, 104, 104}},
    GoField{"runtime.g", "syscallpc", &L::g_syscall_pc,                {120, 120, 120, 120, 120, 120, 120, 112, 112}},
    GoField{"runtime.g", "atomicstatus", &L::g_status,                 {144, 144, 144, 144, 144, 152, 152, 144, 144}},
    GoField{"runtime.g", "goid", &L::g_id,                             {152, 152, 152, 152, 152, 160, 160, 152, 152}},
    GoField{"runtime.g", "waitsince", &L::g_wait_since,                {168, 168, 168, 168, 168, 176, 176, 168, 168}},
    GoField{"runtime.g", "waitreason", &L::g_wait_reason,              {176, 176, 176, 176, 176, 184, 184, 176, 176}},
    GoField{"runtime.g", "trackingSeq", &L::g_sequence,                {189, 189, 189, 188, 191, 199, 199, 191, 191}},
    GoField{"runtime.g", "lockedm", &L::g_locked_m,                    {232, 232, 232, 208, 208, 216, 216, 208, 208}},
    GoField{"runtime.g", "parentGoid", &L::g_parent,                   { -1,  -1,  -1, 272, 272, 280, 280, 272, 280}},
    GoField{"runtime.g", "gopc", &L::g_go_pc,                          {296, 296, 296, 280, 280, 288, 288, 280, 288}},
    GoField{"runtime.g", "startpc", &L::g_start_pc,                    {312, 312, 312, 296, 296, 304, 304, 296, 304}},
    GoField{"runtime.g", "waiting", &L::g_waiting,                     {328, 328, 328, 312, 312, 320, 320, 312, 320}},
    GoField{"runtime.m", "procid", &L::m_thread,                       { 72,  72,  72,  72,  72,  72,  72,  64,  64}},
    GoField{"runtime.sudog", "waitlink", &L::sudog_next_of_g,          { 64,  64,  64,  64,  64,  64,  64,  64,  72}},
    GoField{"runtime.sudog", "c", &L::sudog_channel,                   { 80,  80,  80,  80,  80,  80,  80,  80,  88}},
    GoField{"runtime.hchan", "qcount", &L::channel_count,              same(0)},
    GoField{"runtime.hchan", "buf", &L::channel_buffer,                same(16)},
    GoField{"runtime.hchan", "elemsize", &L::channel_element_size,     same(24)},
    GoField{"runtime.moduledata", "noptrdata", &L::module_noptrdata,   same(192)},
    GoField{"runtime.moduledata", "data", &L::module_data,             same(208)},
    GoField{"runtime.moduledata", "bss", &L::module_bss,               same(224)},
    GoField{"runtime.moduledata", "noptrbss", &L::module_noptrbss,     same(240)},
    GoField{"runtime.moduledata", "types", &L::module_types,           {280, 280, 296, 296, 296, 296, 296, 296, 296}},
    GoField{"runtime.moduledata", "next", &L::module_next,             {544, 544, 560, 584, 584, 576, 576, 576, 584}},
    GoField{"runtime.pollDesc", "", &L::poll_size,                     {240, 240, 240, 248, 248, 280, 280, 296, 296}},
    GoField{"runtime.pollDesc", "fd", &L::poll_fd,                     same(8)},
    GoField{"runtime.pollDesc", "rg", &L::poll_reader,                 { 24,  24,  24,  32,  32,  32,  32,  32,  32}},
    GoField{"runtime.pollDesc", "wg", &L::poll_writer,                 { 32,  32,  32,  40,  40,  40,  40,  40,  40}},
    GoField{"runtime.pollDesc", "closing", &L::poll_closing,           { 48,  48,  48,  56,  56,  56,  56,  56,  56}},
    GoField{"runtime.pollDesc", "rseq", &L::poll_read_count,           { 56,  56,  56,  64,  64,  64,  64,  64,  64}},
    GoField{"runtime.pollDesc", "wseq", &L::poll_write_count,          {144, 144, 144, 152, 152, 168, 168, 176, 176}},
    GoField{"runtime.pollDesc", "self", &L::poll_self,                 {232, 232, 232, 240, 240, 272, 272, 288, 288}},
    GoField{"internal/poll.FD", "Sysfd", &L::file_number,              same(16)},
    GoField{"internal/poll.FD", "pd", &L::file_poll,                   { 24,  24,  24,  32,  32,  32,  32,  32,  32}},
    GoField{"database/sql.DB", "waitDuration", &L::pool_wait_time,     same(0)},
    GoField{"database/sql.DB", "freeConn", &L::pool_free,              same(40)},
    GoField{"database/sql.DB", "numOpen", &L::pool_open,               { 80,  80,  80,  80,  80,  88,  88,  88,  88}},
    GoField{"database/sql.DB", "openerCh", &L::pool_opener,            { 88,  88,  88,  88,  88,  96,  96,  96,  96}},
    GoField{"database/sql.DB", "dep", &L::pool_dependents,             {104, 104, 104, 104, 104, 112, 112, 112, 112}},
    GoField{"database/sql.DB", "maxIdleCount", &L::pool_max_idle,      {120, 120, 120, 120, 120, 128, 128, 128, 128}},
    GoField{"database/sql.DB", "maxOpen", &L::pool_max_open,           {128, 128, 128, 128, 128, 136, 136, 136, 136}},
    GoField{"database/sql.DB", "waitCount", &L::pool_waits,            {160, 160, 160, 160, 160, 168, 168, 168, 168}},
    GoField{"database/sql.driverConn", "", &L::pooled_size,            {136, 136, 136, 136, 136, 128, 128, 128, 128}},
    GoField{"database/sql.driverConn", "db", &L::pooled_pool,          same(0)},
    GoField{"database/sql.driverConn", "ci", &L::pooled_driver,        same(40)},
    GoField{"database/sql.driverConn", "finalClosed", &L::pooled_closed, same(58)},
    GoField{"database/sql.driverConn", "inUse", &L::pooled_in_use,     same(72)},
    GoField{"net/http.conn", "rwc", &L::server_connection,             same(16)},
    GoField{"net/http.conn", "curReq", &L::server_response,            same(112)},
    GoField{"net/http.conn", "curReq.v.data", &L::server_response_boxed, {120, 120, -1,  -1,  -1,  -1,  -1,  -1,  -1}},
    GoField{"net/http.response", "conn", &L::response_server,          same(0)},
    GoField{"net/http.response", "req", &L::response_request,          same(8)},
    GoField{"net/http.persistConn", "conn", &L::client_connection,     same(80)},
    GoField{"net/http.persistConn", "reqch", &L::client_requests,      same(128)},
    GoField{"net/http.requestAndChan", "", &L::pending_size,           { 48,  48,  48,  48,  48,  40,  40,  40,  40}},
    GoField{"net/http.Request", "Method", &L::request_method,          same(0)},
    GoField{"net/http.Request", "URL", &L::request_url,                same(16)},
    GoField{"net/url.URL", "Path", &L::url_path,                       same(56)},
    GoField{"runtime.moduledata", "typelinks", &L::module_type_links,  {336, 336, 352, 352, 352, 352, 352, 352, 360}},
    GoField{"runtime.moduledata", "itablinks", &L::module_itab_links,  {360, 360, 376, 376, 376, 376, 376, 376, 384}},
    GoField{"runtime.mheap", "allspans", &L::heap_spans,               {65848, 65856, 65824, 65864, 65864, 65864, 65864, 65864, 65864}},
    GoField{"runtime.mheap", "arenas", &L::heap_arenas,                {65936, 65936, 65904, 65944, 66008, 66008, 66008, 66008, 66008}},
    GoField{"runtime.heapArena", "spans", &L::arena_spans,             {2097152, 2097152, 1064960, 1064960, 0, 0, 0, 0, 0}},
    GoField{"runtime.mspan", "", &L::span_size,                        {144, 144, 160, 168, 160, 160, 160, 160, 160}},
    GoField{"runtime.mspan", "startAddr", &L::span_start,              same(24)},
    GoField{"runtime.mspan", "npages", &L::span_pages,                 same(32)},
    GoField{"runtime.mspan", "freeindex", &L::span_free_index,         same(48)},
    GoField{"runtime.mspan", "nelems", &L::span_elements,              { 56,  56,  56,  56,  50,  50,  50,  50,  50}},
    GoField{"runtime.mspan", "allocBits", &L::span_alloc_bits,         { 72,  72,  72,  72,  64,  64,  64,  64,  64}},
    GoField{"runtime.mspan", "spanclass", &L::span_class,              { 98,  98,  98, 106,  98,  98,  98,  98,  98}},
    GoField{"runtime.mspan", "state", &L::span_state,                  { 99,  99,  99, 107,  99,  99,  99,  99,  99}},
    GoField{"runtime.mspan", "elemsize", &L::span_element_size,        {104, 104, 104, 112, 104, 104, 104, 104, 104}},
    GoField{"runtime.mspan", "largeType", &L::span_large_type,         { -1,  -1,  -1,  -1, 152, 152, 152, 152, 152}},
};
// clang-format on

}  // namespace

std::span<const GoField> go_fields() { return kFields; }

std::optional<GoRuntimeLayout> go_runtime_layout(int minor) {
  if (minor < kOldestGo || minor > kNewestGo) return std::nullopt;
  GoRuntimeLayout layout;
  layout.minor = minor;
  for (const GoField& field : kFields) {
    const int32_t offset = field.offsets[static_cast<size_t>(minor - kOldestGo)];
    layout.*field.place = offset < 0 ? 0 : static_cast<uint32_t>(offset);
  }
  return layout;
}

}  // namespace unclosed
