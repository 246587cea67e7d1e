#include "processor.h"

#include "editor.h"
#include "parameters.h"

namespace foleyd {
namespace {

constexpr Field automated[] = {Field::gain, Field::pan, Field::tune, Field::mute};

Transport transport_of(juce::AudioPlayHead* head) {
    Transport time;
    const auto told = head != nullptr ? head->getPosition() : juce::Optional<juce::AudioPlayHead::PositionInfo>();
    if (!told.hasValue()) return time;
    time.bpm = told->getBpm().orFallback(120.0);
    const auto position = told->getPpqPosition();
    time.playing = told->getIsPlaying() && position.hasValue();
    time.position = position.orFallback(0.0);
    time.bar_start = told->getPpqPositionOfLastBarStart().orFallback(0.0);
    const auto signature = told->getTimeSignature().orFallback(juce::AudioPlayHead::TimeSignature());
    time.beats = signature.numerator;
    time.beat_type = signature.denominator;
    return time;
}

}  // namespace

Processor::BusesProperties Processor::buses() {
    BusesProperties made;
    for (int pair = 0; pair < output_count; ++pair)
        made = made.withOutput(pair == 0 ? "Main" : "Output " + juce::String(pair + 1), juce::AudioChannelSet::stereo(), pair == 0);
    return made;
}

Processor::Processor() : AudioProcessor(buses()) {
    addParameter(new GenerateParameter(board));
    for (int pad = 0; pad < pad_count; ++pad)
        for (const Field field : automated) addParameter(new PadParameter(board.engine, pad, field));
}

bool Processor::isBusesLayoutSupported(const BusesLayout& layout) const {
    if (layout.getMainOutputChannelSet() != juce::AudioChannelSet::stereo()) return false;
    for (const auto& bus : layout.outputBuses)
        if (!bus.isDisabled() && bus != juce::AudioChannelSet::stereo()) return false;
    return true;
}

void Processor::prepareToPlay(double rate, int) { board.prepare(rate); }

void Processor::processBlock(juce::AudioBuffer<float>& buffer, juce::MidiBuffer& midi) {
    const juce::ScopedNoDenormals quick;
    int count = 0;
    for (const auto entry : midi) {
        if (count == most_events) break;
        const auto* bytes = entry.data;
        if (entry.numBytes < 3) continue;
        const int kind = bytes[0] & 0xf0, key = bytes[1] & 0x7f, value = bytes[2] & 0x7f;
        auto& event = events_[static_cast<std::size_t>(count)];
        if (kind == 0x90 && value > 0) event = {entry.samplePosition, Event::Kind::on, key, static_cast<float>(value) / 127.0f};
        else if (kind == 0x80 || kind == 0x90) event = {entry.samplePosition, Event::Kind::off, key, 0.0f};
        else if (kind == 0xb0 && key == 120) event = {entry.samplePosition, Event::Kind::silence, 0, 0.0f};
        else if (kind == 0xb0 && key == 123) event = {entry.samplePosition, Event::Kind::all_off, 0, 0.0f};
        else continue;
        ++count;
    }
    midi.clear();
    buffer.clear();
    float* outputs[2 * output_count] = {};
    for (int pair = 0; pair < std::min(output_count, getBusCount(false)); ++pair)
        if (auto* bus = getBus(false, pair); bus != nullptr && bus->isEnabled())
            for (int side = 0; side < 2; ++side)
                outputs[2 * pair + side] = buffer.getWritePointer(getChannelIndexInProcessBlockBuffer(false, pair, side));
    board.engine.process(events_.data(), count, transport_of(getPlayHead()), outputs, buffer.getNumSamples());
}

juce::AudioProcessorEditor* Processor::createEditor() { return new Editor(*this); }

void Processor::getStateInformation(juce::MemoryBlock& kept) {
    const auto bytes = board.save();
    kept.replaceAll(bytes.data(), bytes.size());
}

void Processor::setStateInformation(const void* data, int size) {
    try {
        board.load(static_cast<const std::uint8_t*>(data), static_cast<std::size_t>(std::max(size, 0)));
    } catch (const std::exception& error) {
        board.failed(board.chosen, error.what());   // what was there stays
    }
    updateHostDisplay(ChangeDetails().withParameterInfoChanged(true));
}

}  // namespace foleyd

juce::AudioProcessor* JUCE_CALLTYPE createPluginFilter() { return new foleyd::Processor(); }
