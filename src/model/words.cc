// The words of the enums, as reports and documents spell them.
#include "model/connection.h"
#include "model/finding.h"
#include "model/goroutine.h"
#include "model/left_open.h"
#include "model/limit.h"
#include "model/record.h"
#include "model/stack.h"

namespace unclosed {

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::kTcp:
      return "tcp";
    case Kind::kUdp:
      return "udp";
    case Kind::kUnix:
      return "unix";
    case Kind::kFile:
      return "file";
    case Kind::kPipe:
      return "pipe";
    case Kind::kFifo:
      return "fifo";
    case Kind::kEventfd:
      return "eventfd";
    case Kind::kEpoll:
      return "epoll";
    case Kind::kTimerfd:
      return "timerfd";
    case Kind::kSignalfd:
      return "signalfd";
    case Kind::kInotify:
      return "inotify";
    case Kind::kMemfd:
      return "memfd";
    case Kind::kPidfd:
      return "pidfd";
    case Kind::kNetlink:
      return "netlink";
    case Kind::kOther:
      return "other";
  }
  return "other";
}

bool is_socket(Kind kind) {
  return kind == Kind::kTcp || kind == Kind::kUdp || kind == Kind::kUnix || kind == Kind::kNetlink;
}

std::string_view to_string(TcpState state) {
  switch (state) {
    case TcpState::kNone:
      return "";
    case TcpState::kEstablished:
      return "ESTABLISHED";
    case TcpState::kSynSent:
      return "SYN_SENT";
    case TcpState::kSynRecv:
      return "SYN_RECV";
    case TcpState::kFinWait1:
      return "FIN_WAIT1";
    case TcpState::kFinWait2:
      return "FIN_WAIT2";
    case TcpState::kTimeWait:
      return "TIME_WAIT";
    case TcpState::kClose:
      return "CLOSE";
    case TcpState::kCloseWait:
      return "CLOSE_WAIT";
    case TcpState::kLastAck:
      return "LAST_ACK";
    case TcpState::kListen:
      return "LISTEN";
    case TcpState::kClosing:
      return "CLOSING";
    case TcpState::kNewSynRecv:
      return "NEW_SYN_RECV";
  }
  return "";
}

std::string_view to_string(Truncation truncation) {
  switch (truncation) {
    case Truncation::kNone:
      return "complete";
    case Truncation::kDepth:
      return "deeper than the walker keeps";
    case Truncation::kNoTable:
      return "a function without unwind information";
    case Truncation::kExpression:
      return "a frame that needs a DWARF expression";
    case Truncation::kUnreadable:
      return "a stack page that could not be read";
    case Truncation::kRegister:
      return "a frame that needs a register which was not seen";
  }
  return "";
}

std::string_view to_string(Attempt attempt) {
  switch (attempt) {
    case Attempt::kOpen:
      return "open";
    case Attempt::kSocket:
      return "socket";
    case Attempt::kAccept:
      return "accept";
    case Attempt::kConnect:
      return "connect";
    case Attempt::kOther:
      return "other";
  }
  return "other";
}

std::string_view to_string(LossReason reason) {
  switch (reason) {
    case LossReason::kRingFull:
      return "close events found no place in the ring";
    case LossReason::kTableFull:
      return "openings found no place in the table of descriptors";
    case LossReason::kStacksFull:
      return "stacks found no place in the table of stacks";
    case LossReason::kStackUnreadable:
      return "stacks could not be read";
    case LossReason::kRaced:
      return "descriptors changed while they were looked at";
  }
  return "";
}

std::string_view to_string(Diagnosis diagnosis) {
  switch (diagnosis) {
    case Diagnosis::kUnknown:
      return "unknown";
    case Diagnosis::kLeak:
      return "leak";
    case Diagnosis::kSlow:
      return "slow";
    case Diagnosis::kLimitTooSmall:
      return "limit-too-small";
  }
  return "unknown";
}

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHealthy:
      return "healthy";
    case Verdict::kHeld:
      return "held";
    case Verdict::kUnknown:
      return "unknown";
    case Verdict::kSuspect:
      return "suspect";
    case Verdict::kLeaking:
      return "leaking";
  }
  return "unknown";
}

std::string_view to_string(BlameRole role) {
  switch (role) {
    case BlameRole::kBorrowed:
      return "borrowed";
    case BlameRole::kUsed:
      return "used";
    case BlameRole::kOpened:
      return "opened";
    case BlameRole::kHeld:
      return "held";
    case BlameRole::kClosed:
      return "closed";
  }
  return "opened";
}

std::string_view to_string(CloseHow how) {
  switch (how) {
    case CloseHow::kClosed:
      return "closed";
    case CloseHow::kReturned:
      return "returned";
  }
  return "closed";
}

std::string_view to_string(OpenedBy by) {
  switch (by) {
    case OpenedBy::kOwnCode:
      return "own-code";
    case OpenedBy::kNoOwnCode:
      return "no-own-code";
    case OpenedBy::kUnseen:
      return "no-stack";
    case OpenedBy::kRuntime:
      return "runtime";
  }
  return "no-stack";
}

std::string_view to_string(Parked parked) {
  switch (parked) {
    case Parked::kNetworkRead:
      return "network read";
    case Parked::kNetworkWrite:
      return "network write";
    case Parked::kAccept:
      return "accept";
    case Parked::kChannelReceive:
      return "channel receive";
    case Parked::kChannelSend:
      return "channel send";
    case Parked::kSelect:
      return "select";
    case Parked::kLock:
      return "lock";
    case Parked::kOthers:
      return "wait for others";
    case Parked::kSleep:
      return "sleep";
    case Parked::kSystemCall:
      return "system call";
    case Parked::kRunning:
      return "running";
    case Parked::kOther:
      return "other";
    case Parked::kUnknown:
      return "unknown";
  }
  return "unknown";
}

}  // namespace unclosed
