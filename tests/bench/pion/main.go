// A forwarder of a few lines on Pion's WebRTC stack, to measure beside: every packet of a feed goes to every subscriber, with Pion's NACK
// responder and reports as a product would have them. JSON lines: requests on standard input, answers on standard output.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v3"
)

type request struct {
	Op    string   `json:"op"`
	Sdp   string   `json:"sdp"`
	ID    int      `json:"id"`
	Feeds []int    `json:"feeds"`
}

type server struct {
	api   *webrtc.API
	lock  sync.Mutex
	peers []*webrtc.PeerConnection
	feeds map[int]map[webrtc.RTPCodecType]*webrtc.TrackLocalStaticRTP
}

var video = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000, RTCPFeedback: []webrtc.RTCPFeedback{
	{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "ccm", Parameter: "fir"}}}
var audio = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1"}

func newServer() (*server, error) {
	media, registry, settings := &webrtc.MediaEngine{}, &interceptor.Registry{}, webrtc.SettingEngine{}
	if err := media.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: video, PayloadType: 96}, webrtc.RTPCodecTypeVideo); err != nil {
		return nil, err
	}
	if err := media.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: audio, PayloadType: 111}, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, err
	}
	if err := webrtc.ConfigureNack(media, registry); err != nil {
		return nil, err
	}
	if err := webrtc.ConfigureRTCPReports(registry); err != nil {
		return nil, err
	}
	settings.SetLite(true)
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	settings.SetIPFilter(func(ip net.IP) bool { return ip.To4() != nil })
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	api := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(settings))
	return &server{api: api, feeds: map[int]map[webrtc.RTPCodecType]*webrtc.TrackLocalStaticRTP{}}, nil
}

func (s *server) open() (int, *webrtc.PeerConnection, error) {
	peer, err := s.api.NewPeerConnection(webrtc.Configuration{})
	s.peers = append(s.peers, peer)
	return len(s.peers) - 1, peer, err
}

func gather(peer *webrtc.PeerConnection, description webrtc.SessionDescription) (string, error) {
	done := webrtc.GatheringCompletePromise(peer)
	if err := peer.SetLocalDescription(description); err != nil {
		return "", err
	}
	<-done
	return peer.LocalDescription().SDP, nil
}

func (s *server) publish(q request) (any, error) {
	id, peer, err := s.open()
	if err != nil {
		return nil, err
	}
	tracks := map[webrtc.RTPCodecType]*webrtc.TrackLocalStaticRTP{}
	for kind, codec := range map[webrtc.RTPCodecType]webrtc.RTPCodecCapability{webrtc.RTPCodecTypeVideo: video, webrtc.RTPCodecTypeAudio: audio} {
		if tracks[kind], err = webrtc.NewTrackLocalStaticRTP(codec, kind.String(), fmt.Sprint(id)); err != nil {
			return nil, err
		}
	}
	s.feeds[id] = tracks
	peer.OnTrack(func(up *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		if up.Kind() == webrtc.RTPCodecTypeVideo {
			_ = peer.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(up.SSRC())}})
		}
		for {
			packet, _, err := up.ReadRTP()
			if err != nil {
				return
			}
			_ = tracks[up.Kind()].WriteRTP(packet)
		}
	})
	if err = peer.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: q.Sdp}); err != nil {
		return nil, err
	}
	answer, err := peer.CreateAnswer(nil)
	if err != nil {
		return nil, err
	}
	sdp, err := gather(peer, answer)
	return map[string]any{"feed": id, "sdp": sdp}, err
}

func (s *server) subscribe(q request) (any, error) {
	id, peer, err := s.open()
	if err != nil {
		return nil, err
	}
	for _, feed := range q.Feeds {
		for _, track := range s.feeds[feed] {
			sender, err := peer.AddTrack(track)
			if err != nil {
				return nil, err
			}
			go func() { // interceptors see RTCP only when somebody reads it
				buffer := make([]byte, 1500)
				for {
					if _, _, err := sender.Read(buffer); err != nil {
						return
					}
				}
			}()
		}
	}
	offer, err := peer.CreateOffer(nil)
	if err != nil {
		return nil, err
	}
	sdp, err := gather(peer, offer)
	return map[string]any{"id": id, "sdp": sdp}, err
}

func (s *server) answer(q request) (any, error) {
	err := s.peers[q.ID].SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: q.Sdp})
	return map[string]any{}, err
}

func main() {
	s, err := newServer()
	if err != nil {
		panic(err)
	}
	operations := map[string]func(request) (any, error){"publish": s.publish, "subscribe": s.subscribe, "answer": s.answer}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var q request
		var result any
		if err = json.Unmarshal(line, &q); err == nil {
			result, err = operations[q.Op](q)
		}
		if err != nil {
			result = map[string]any{"error": err.Error()}
		}
		text, _ := json.Marshal(result)
		fmt.Println(string(text))
	}
}
