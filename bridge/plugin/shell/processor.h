// The plugin as the host runs it: MIDI and transport to the engine, its outputs to the host's buses.
#pragma once

#include <juce_audio_processors/juce_audio_processors.h>

#include "board.h"
#include "shelf.h"

namespace foleyd {

class Processor final : public juce::AudioProcessor {
public:
    Processor();

    Board board;
    Shelf shelf{board};

    const juce::String getName() const override { return "foleyd"; }
    bool isBusesLayoutSupported(const BusesLayout& layout) const override;
    void prepareToPlay(double rate, int most_frames) override;
    void releaseResources() override {}
    void processBlock(juce::AudioBuffer<float>& buffer, juce::MidiBuffer& midi) override;
    double getTailLengthSeconds() const override { return 30.0; }
    bool acceptsMidi() const override { return true; }
    bool producesMidi() const override { return false; }
    bool hasEditor() const override { return true; }
    juce::AudioProcessorEditor* createEditor() override;
    int getNumPrograms() override { return 1; }
    int getCurrentProgram() override { return 0; }
    void setCurrentProgram(int) override {}
    const juce::String getProgramName(int) override { return "foleyd"; }   // some hosts stumble over an empty one
    void changeProgramName(int, const juce::String&) override {}
    void getStateInformation(juce::MemoryBlock& kept) override;
    void setStateInformation(const void* data, int size) override;

private:
    static BusesProperties buses();
    static constexpr int most_events = 2048;   // of a block; what is more is dropped
    std::array<Event, most_events> events_{};
};

}  // namespace foleyd
