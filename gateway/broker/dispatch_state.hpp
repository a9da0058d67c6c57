#pragma once
// The dispatcher's inside: clients, groups of shared subscriptions, and how copies move between
// them. Included by the dispatch*.cpp files only.
//
// What is durable (Copy::durable, ClientState::durable, SharedGroup::durable()) must come out the
// same when the journal is read again without any ephemeral client there, so nothing that decides
// over it may depend on who is attached, on the clock, or on decisions still on their way.
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "gateway/broker/change_set.hpp"
#include "gateway/broker/copy_queue.hpp"
#include "gateway/broker/dispatch.hpp"
#include "gateway/broker/subscription_trie.hpp"

namespace rowgate::broker {

/// A copy with a packet id.
struct CopyInFlight {
  Copy copy;           // without its message once received
  std::string shared;  // the group it came from; empty: the client's own
  std::uint64_t order = 0;
  std::size_t bytes = 0;  // in the window
  bool received = false;  // PUBREC: only PUBREL is sent from here on
  bool sent = false;      // on any connection, as far as we know
  bool on_wire = false;   // on this connection
  bool leaving = false;   // Returned or Done is on its way through the journal
};

struct Will {
  std::string topic, payload, properties;
  mqtt::QoS qos{};
  bool retain = false;
  std::uint32_t delay = 0;
};

struct SharedGroup;

struct ClientState : Receiver {
  explicit ClientState(std::string_view id) : Receiver(id) {}

  bool recorded = false;  // its Began is in the journal, so its session is in the store
  bool durable = false;   // it outlives its connection
  std::string user;       // empty: anonymous
  std::uint32_t expiry = 0;
  std::optional<Timestamp> left_at;
  std::optional<Will> will;  // unpublished
  std::map<std::string, SubscriptionOptions, std::less<>> filters;
  std::vector<SharedGroup*> groups;  // whose member it is

  CopyQueue queue;
  std::unordered_map<mqtt::PacketId, CopyInFlight> in_flight;
  std::unordered_map<mqtt::PacketId, std::size_t> reserved;  // by decisions on their way; bytes
  std::uint64_t window_bytes = 0;                            // of both
  mqtt::PacketId last_id = 0;

  std::optional<Attach> attached;
  std::deque<mqtt::PacketId> to_send;  // in flight, not yet sent on this connection
  std::size_t on_wire = 0;
  bool dirty = false;  // pump() shall look at it
};

struct SharedGroup : Receiver {
  explicit SharedGroup(std::string_view share) : Receiver(share, true) {}

  struct Member {
    ClientState* client;
    SubscriptionOptions options;
  };
  std::string_view filter;  // behind `$share/group/`
  std::vector<Member> members;
  std::size_t durable_members = 0;
  CopyQueue queue;                                  // durable copies
  CopyQueue early;                                  // came while no member was durable
  std::unordered_map<CopyId, ClientState*> chosen;  // decided for a client that is not durable
  std::size_t turn = 0;
  bool dirty = false;

  bool durable() const noexcept { return durable_members > 0; }
  Member* member(const ClientState& client) noexcept;
};

struct Dispatch::State {
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept {
      return std::hash<std::string_view>{}(s);
    }
  };
  template <class T>
  using ByName = std::unordered_map<std::string, std::unique_ptr<T>, Hash, std::equal_to<>>;
  /// Where an event comes from.
  struct Source {
    bool journal = false;
    storage::Position at;
    Timestamp now;
  };

  State(const DispatchOptions& o, DispatchCounters& c, Retained& r, Append a, Deliver d)
      : options(o), counters(c), retained(r), append(std::move(a)), deliver(std::move(d)) {}

  // Clients and groups (dispatch_session.cpp).
  ClientState* find(std::string_view client_id, bool journal) noexcept;
  ClientState* find_durable(std::string_view client_id) noexcept;
  SharedGroup* find_group(std::string_view share) noexcept;
  void take(const SessionEvent& event, const Source& source);
  void on(const event::Began& e, const Source& source);
  void on(const event::Left& e, const Source& source);
  void on(const event::WillDone& e, const Source& source);
  void on(const event::Ended& e, const Source& source);
  void on(const event::Subscribed& e, const Source& source);
  void on(const event::Unsubscribed& e, const Source& source);
  void on(const event::Queued& e, const Source& source);
  void on(const event::Assigned& e, const Source& source);
  void on(const event::Dropped& e, const Source& source);
  void on(const event::Received& e, const Source& source);
  void on(const event::Done& e, const Source& source);
  void on(const event::Returned& e, const Source& source);
  void on(const event::Published& e, const Source& source);
  void subscribe(ClientState& client, std::string_view filter, const SubscriptionOptions& options,
                 storage::Position since);
  void unsubscribe(ClientState& client, std::string_view filter);
  void join(ClientState& client, std::string_view share, const SubscriptionOptions& options,
            storage::Position since);
  void leave(SharedGroup& group, ClientState& client);
  /// Its subscriptions and copies are void.
  void empty(ClientState& client);
  void remove(ClientState& client);
  void save(const ClientState& client, bool fresh);

  // Copies (dispatch_copies.cpp).
  void publish(const std::shared_ptr<const LiveMessage>& message, std::vector<Match>& to,
               CopyId id);
  void enqueue(ClientState& client, Copy&& copy);
  void enqueue(SharedGroup& group, Copy&& copy);
  bool has_room(const CopyQueue& queue, const Copy& copy) const noexcept;
  /// The copy has come into being, or gone.
  void hold(const Copy& copy);
  void let_go(const Copy& copy);
  void start(ClientState& client, Copy&& copy, mqtt::PacketId id, std::string_view shared,
             std::uint64_t order);
  void finish(ClientState& client, mqtt::PacketId id);
  /// Out of the client's hands, without an end for the copy.
  CopyInFlight take_back(ClientState& client, mqtt::PacketId id);
  void give_back(CopyInFlight&& flight);
  void hand_over(SharedGroup& group, SharedGroup::Member& member, Copy&& copy, mqtt::PacketId id,
                 std::uint64_t order);
  void release_reserved(ClientState* client, mqtt::PacketId id) noexcept;
  std::string key_of(const ClientState& client, const Copy& waiting) const;
  std::string key_of(const SharedGroup& group, const Copy& waiting) const;
  std::string key_of(const ClientState& client, mqtt::PacketId id) const;
  void save(const ClientState& client, mqtt::PacketId id, const CopyInFlight& flight, bool fresh);

  // Sending (dispatch_send.cpp).
  enum class Unsendable : std::uint8_t { no, expired, too_large };
  void attach(Attach&& a);
  void detach(ClientState& client);
  void send(ClientState& client, const Copy& copy, mqtt::PacketId id, bool dup);
  /// At QoS 0, unless the client cannot take it.
  void send_now(ClientState& client, const Copy& copy);
  void send_release(ClientState& client, mqtt::PacketId id);
  /// True: there is more to do at once. Each pump() answers false where the journal has no room.
  bool pump_round(Timestamp now);
  bool pump(ClientState& client, Timestamp now);
  bool pump_own(ClientState& client, Timestamp now);
  bool send_ready(ClientState& client, Timestamp now);
  bool return_shared(ClientState& client);
  bool pump(SharedGroup& group, Timestamp now);
  bool hand_out(SharedGroup& group, CopyQueue& queue, Timestamp now);
  /// Null: nobody can take it now; `never`: and nobody will, as large as it is.
  SharedGroup::Member* pick(SharedGroup& group, const Copy& copy, bool& never);
  bool has_window(const ClientState& client, const Copy& copy) const noexcept;
  Unsendable unsendable(const ClientState& client, const Copy& copy, Timestamp now) const;
  bool too_large(const ClientState& client, const Copy& copy) const;
  void count(Unsendable why) noexcept;
  /// False: the journal has no room, as where decisions are taken elsewhere here.
  bool drop_front(CopyQueue& queue, std::string_view client_id, std::string_view shared,
                  Unsendable why);
  bool abandon(ClientState& client, mqtt::PacketId id, Unsendable why);
  mqtt::PacketId next_id(ClientState& client) const;
  bool decide(const SessionEvent& event);
  void mark(ClientState& client);
  void mark(SharedGroup& group);
  void mark_groups_of(const ClientState& client);

  // The store (dispatch_store.cpp).
  void load(storage::StateStore& store);
  void load(std::string_view key, std::string_view value);
  void load_session(std::string_view id, std::string_view value);
  void load_subscription(std::string_view key, std::string_view value);
  void load_waiting(std::string_view key, std::string_view value);
  void load_in_flight(std::string_view key, std::string_view value);

  const DispatchOptions options;
  DispatchCounters& counters;
  Retained& retained;
  const Append append;
  const Deliver deliver;

  ChangeSet changes;
  SubscriptionTrie trie;
  ByName<ClientState> recorded, ephemeral;
  ByName<SharedGroup> groups;
  struct Content {
    std::shared_ptr<const LiveMessage> message;
    std::uint32_t copies = 0;
  };
  std::unordered_map<CopyId, Content> contents;  // of durable copies
  std::uint64_t durable_bytes = 0, ephemeral_bytes = 0;
  std::vector<ClientState*> dirty;
  std::vector<SharedGroup*> dirty_groups;
  std::multimap<storage::Position, Attach> attaching;  // by what they come after
  storage::Position reached;
  std::uint64_t sequence = 0;  // orders what is not journaled
  std::optional<Timestamp> retained_looked_at;
  bool recovering = true;
  bool version_known = false;  // the store says which version of the values it has
  std::vector<Match> matches;  // kept for their memory, as below
  std::string event_bytes;
};

/// The first byte of every key in the store; docs/session-store.md. Their order is that of loading.
enum class StoreKey : char {
  version = '0',
  message = '1',
  session = '2',
  subscription = '3',
  waiting = '4',
  group_waiting = '5',
  in_flight = '6',
  retained = '7',
};
std::string store_key(StoreKey kind, std::string_view name = {});
std::string store_key(StoreKey kind, std::string_view name, std::string_view second);
std::string store_key(StoreKey kind, std::string_view name, std::uint64_t id);
inline constexpr std::string_view store_version = "1";

std::string encode_session(const ClientState& client);
std::string encode_options(const SubscriptionOptions& options);
std::string encode_copy(const Copy& copy);
std::string encode_flight(const CopyInFlight& flight);

}  // namespace rowgate::broker
