#include "link.h"

#include <algorithm>
#include <chrono>

#include <sodium.h>
#include <zmq.hpp>
#include <zmq_addon.hpp>

namespace foleyd {
namespace {

constexpr double patience = 5.0;      // seconds that an answer to a hello may take
constexpr double hello_every = 10.0;  // seconds between two, a third of the lease
constexpr double longest_wait = 8.0;  // between two tries to connect
constexpr const char* wrong_key = "What answers at the daemon's address does not have its key: start 'foleyd serve' anew.";

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<std::string> receive(zmq::socket_t& socket) {
    std::vector<std::string> frames;
    for (;;) {
        zmq::message_t part;
        if (!socket.recv(part, zmq::recv_flags::dontwait)) return frames;
        if (frames.size() < 100) frames.push_back(part.to_string());
        if (!part.more()) return frames;
    }
}

// A count of the daemon's, whatever it holds.
int count_of(const Json& object, const char* name) {
    return static_cast<int>(std::clamp(number_of(object, name, 0), -1.0, 2147483647.0));
}

std::string slot_of(int pad) { return "pad-" + std::to_string(pad + 1); }

}  // namespace

// The sockets of a connection, and what is known of the other end.
struct Link::Wire {
    zmq::context_t context{1};
    zmq::socket_t shell, events;
    Peer peer;
    bool open = false, greeted = false;
    std::string session = draw_id(), hello_id;
    double hello_at = 0, heard_at = 0, try_at = 0, wait = 0.25;

    void connect(const Peer& to) {
        close();
        peer = to;
        for (auto* socket : {&shell, &events}) {
            *socket = zmq::socket_t(context, socket == &shell ? zmq::socket_type::dealer : zmq::socket_type::sub);
            socket->set(zmq::sockopt::linger, 0);
            socket->set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(most_frame_bytes));
            socket->set(zmq::sockopt::rcvhwm, 200);
        }
        events.set(zmq::sockopt::subscribe, "job");
        shell.connect(peer.shell);
        events.connect(peer.events);
        open = true;
        hello_at = 0;
        heard_at = now();
    }
    void close() {
        shell.close();
        events.close();
        open = greeted = false;
    }
    void give_up() {
        close();
        try_at = now() + wait;
        wait = std::min(wait * 2, longest_wait);
    }
    void put(const std::string& msg_id, const std::string& type, const Json& content, std::string samples = {}) {
        auto frames = pack(peer.key, session, msg_id, type, content);
        if (!samples.empty()) frames.push_back(std::move(samples));
        for (std::size_t k = 0; k < frames.size(); ++k) {
            const auto flags = k + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none;
            if (!shell.send(zmq::buffer(frames[k]), flags | zmq::send_flags::dontwait)) return;
        }
    }
};

std::shared_ptr<Link> Link::shared() {
    static std::mutex guard;
    static std::weak_ptr<Link> known;
    const std::lock_guard lock(guard);
    auto link = known.lock();
    if (!link) known = link = std::make_shared<Link>();
    return link;
}

Link::Link(std::function<std::filesystem::path()> file) : file_(std::move(file)) {
    if (sodium_init() < 0) throw std::runtime_error("libsodium could not be started.");
    say(Light::yellow, "Looking for the daemon.");
    thread_ = std::thread([this] { run(); });
}

Link::~Link() {
    ending_ = true;
    thread_.join();
}

void Link::join(Guest& guest) {
    const std::lock_guard lock(guests_guard_);
    guests_.emplace(&guest, "plugin-" + draw_id());
}

void Link::leave(Guest& guest) {
    const std::lock_guard lock(guests_guard_);
    guests_.erase(&guest);
    std::erase_if(under_way_, [&](const Order& order) { return order.guest == &guest; });
    const std::lock_guard queue_lock(queue_guard_);
    std::erase_if(queue_, [&](const Order& order) { return order.guest == &guest; });
}

void Link::render(Guest& guest, int pad, Json content, int count, SoundPtr source) {
    content["count"] = count;
    content["slot"] = slot_of(pad);
    content["priority"] = "normal";
    push({&guest, pad, "render_request", {}, std::move(content), draw_id(), -1, 0, std::move(source)});
}

void Link::fetch(Guest& guest, int pad, const std::string& clip_id) {
    push({&guest, pad, "clip_request", {}, {{"clip", clip_id}}, draw_id()});
}

void Link::search(Guest& guest, const std::string& text, int most) {
    push({&guest, library_slot, "library_request", {}, {{"action", "search"}, {"text", text}, {"limit", most}}, draw_id()});
}

void Link::cancel(Guest& guest, int pad) { push({&guest, pad, "cancel", {}, Json::object(), {}}); }

LinkState Link::state() const {
    const std::lock_guard lock(words_guard_);
    return words_;
}

Abilities Link::abilities() const {
    const std::lock_guard lock(words_guard_);
    return abilities_;
}

void Link::learn(const Message& message) {
    const std::lock_guard lock(words_guard_);
    if (message.type == "info_reply") abilities_.model = own_model_of(message.content);
    if (message.type == "models_reply") abilities_.operations = operations_of(message.content);
}

void Link::say(Light light, std::string sentence) {
    const std::lock_guard lock(words_guard_);
    words_ = {light, std::move(sentence)};
}

void Link::push(Order order) {
    const std::lock_guard lock(queue_guard_);
    queue_.push_back(std::move(order));
}

void Link::run() {
    Wire wire;
    while (!ending_) {
        try {
            work(wire);
        } catch (const std::exception& error) {
            // nothing that a peer or the disk does ends the line for good
            say(Light::red, std::string("The line to the daemon broke (") + error.what() + "); trying again.");
            wire.give_up();
        }
    }
    wire.close();
}

void Link::work(Wire& wire) {
    {
        const std::lock_guard lock(guests_guard_);
        for (const auto& [guest, name] : guests_) guest->tick();
    }
    take_orders(wire);
    if (!wire.open && now() >= wire.try_at) {
        try {
            wire.connect(read_connection(file_()));
        } catch (const Unreachable& error) {
            say(Light::red, error.what());
            wire.give_up();
        }
    }
    if (!wire.open) {
        {
            const std::lock_guard lock(words_guard_);
            abilities_ = {};
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        return;
    }
    const double time = now();
    if (time - wire.hello_at > (wire.greeted ? hello_every : 1.0)) {
        wire.hello_at = time;
        const std::lock_guard lock(guests_guard_);
        for (const auto& [guest, name] : guests_) wire.put(draw_id(), "info_request", {{"client", name}, {"role", "plugin"}});
        if (!guests_.empty()) wire.put(draw_id(), "models_request", {{"client", guests_.begin()->second}});
    }
    if (time - wire.heard_at > (wire.greeted ? hello_every + patience : patience)) {
        if (state().sentence != wrong_key) say(Light::red, "The daemon does not answer: start one with 'foleyd serve'.");
        wire.give_up();
        return;
    }
    zmq::pollitem_t items[] = {{wire.shell.handle(), 0, ZMQ_POLLIN, 0}, {wire.events.handle(), 0, ZMQ_POLLIN, 0}};
    zmq::poll(items, 2, std::chrono::milliseconds(50));
    for (auto* socket : {&wire.shell, &wire.events})
        for (int k = 0; k < 100; ++k) {   // a flood does not keep orders waiting
            const auto frames = receive(*socket);
            if (frames.empty()) break;
            const std::lock_guard lock(guests_guard_);
            try {
                const auto message = unpack(wire.peer.key, frames);
                if (socket == &wire.shell) hear(wire, message);
                else hear_event(message.content);
            } catch (const std::invalid_argument&) {
                if (!wire.greeted) say(Light::red, wrong_key);
            }
        }
    const std::lock_guard lock(guests_guard_);
    for (auto& order : under_way_)
        if (wire.greeted && order.ask_again > 0 && now() > order.ask_again) send(wire, order);
}

void Link::take_orders(Wire& wire) {
    std::deque<Order> taken;
    {
        const std::lock_guard lock(queue_guard_);
        taken.swap(queue_);
    }
    const std::lock_guard lock(guests_guard_);
    for (auto& order : taken) {
        const auto known = guests_.find(order.guest);
        if (known == guests_.end()) continue;
        order.client = known->second;
        const bool was_under_way = drop(order.guest, order.pad);
        if (order.type == "cancel") {
            if (wire.greeted)
                wire.put(draw_id(), "cancel_request", {{"slot", slot_of(order.pad)}, {"client", order.client}});
            order.guest->moved(order.pad, {});
            if (was_under_way) order.guest->failed(order.pad, "Cancelled: what was on the pad is still there.");
            continue;
        }
        order.content["client"] = order.client;
        Progress waiting;
        waiting.under_way = true;
        order.guest->moved(order.pad, waiting);
        if (!wire.greeted && state().light == Light::red && order.type != "clip_request") {
            order.guest->moved(order.pad, {});
            order.guest->failed(order.pad, state().sentence);
            continue;
        }
        under_way_.push_back(std::move(order));
        if (wire.greeted) send(wire, under_way_.back());
    }
}

// Asks for the first time, or for what a job that is known has become.
void Link::send(Wire& wire, Order& order) {
    order.ask_again = 0;
    if (order.job < 0) {
        std::string samples = order.source ? samples_of(*order.source) : std::string();
        if (order.source) order.content["buffers"] = Json::array({buffer_info(*order.source, samples, "source", "source")});
        wire.put(order.msg_id, order.type, order.content, std::move(samples));
        return;
    }
    order.msg_id = draw_id();
    wire.put(order.msg_id, "clip_request", {{"job_id", order.job}, {"client", order.client}});
}

void Link::hear(Wire& wire, const Message& message) {
    wire.heard_at = now();
    if (text_of(message.content, "status") == "ok") learn(message);
    if (message.type == "info_reply" && text_of(message.content, "status") == "ok" && !wire.greeted) {
        wire.greeted = true;
        wire.wait = 0.25;
        say(Light::green, "The daemon is ready.");
        for (auto& order : under_way_) send(wire, order);
    }
    const auto found = std::find_if(under_way_.begin(), under_way_.end(),
                                    [&](const Order& order) { return order.msg_id == message.parent; });
    if (found == under_way_.end()) return;
    const auto index = static_cast<std::size_t>(found - under_way_.begin());
    auto& order = *found;
    const auto& content = message.content;
    if (text_of(content, "status") == "error") {
        finish(wire, index, content, {});
    } else if (message.type == "render_reply") {
        order.job = count_of(content, "job_id");
        order.guest->moved(order.pad, {true, count_of(content, "position"), 0, 0, number_of(content, "eta_s", -1)});
    } else if (message.type == "render_result") {
        finish(wire, index, content, message.buffers);
    } else if (message.type == "library_reply") {
        const Order done = std::move(order);
        under_way_.erase(found);
        done.guest->moved(done.pad, {});
        done.guest->listed(content);
    } else if (message.type == "clip_reply") {
        Json result = content.contains("result") && content["result"].is_object() ? content["result"] : Json();
        if (result.is_null()) {   // a clip by its id
            result = {{"state", "done"}, {"clips", Json::array({content.value("clip", Json::object())})}};
        }
        result["buffers"] = list_of(content, "buffers");
        const auto state = text_of(result, "state");
        if (state == "queued" || state == "running") order.ask_again = now() + 1.0;
        else finish(wire, index, result, message.buffers);
    }
}

void Link::finish(Wire&, std::size_t index, const Json& content, const std::vector<std::string>& buffers) {
    const Order order = std::move(under_way_[index]);
    under_way_.erase(under_way_.begin() + static_cast<std::ptrdiff_t>(index));
    order.guest->moved(order.pad, {});
    const auto state = text_of(content, "state");
    if (state == "superseded") return;
    if (state == "cancelled") {   // the plugin's own cancel had forgotten the order before
        order.guest->failed(order.pad, "Somebody cancelled it at the daemon: ask again if it is still wanted.");
        return;
    }
    if (state != "done") {
        order.guest->failed(order.pad, text_of(content, "message", "The sound could not be made, and the daemon did not say why."));
        return;
    }
    try {
        auto clips = clips_of(content, buffers);
        if (clips.empty()) throw std::invalid_argument("the daemon's answer holds no clip.");
        order.guest->arrived(order.pad, std::move(clips), list_of(content, "clips"));
    } catch (const std::exception& error) {
        order.guest->failed(order.pad, std::string("The sound was refused: ") + error.what());
    }
}

void Link::hear_event(const Json& event) {
    const auto job = count_of(event, "job_id");
    for (const auto& order : under_way_)
        if (order.job == job && job > 0)
            order.guest->moved(order.pad, {true, count_of(event, "position"), count_of(event, "step"), count_of(event, "steps"),
                                           number_of(event, "eta_s", -1)});
}

bool Link::drop(Guest* guest, int pad) {
    return std::erase_if(under_way_, [&](const Order& order) { return order.guest == guest && order.pad == pad; }) > 0;
}

}  // namespace foleyd
