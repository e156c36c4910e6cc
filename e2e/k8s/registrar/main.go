// Registrar does for the tests what two of Kubernetes' sidecars do beside a CSI driver, with their flags: it tells kubelet where
// the driver's socket is (node-driver-registrar), and answers kubelet's question whether the driver lives (livenessprobe). Those
// two can't be required from a go.mod: their modules' paths lack the major version that their tags have.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

const patience = 3 * time.Second

type plugin struct {
	registration.UnimplementedRegistrationServer
	name, endpoint string
	identity       csi.IdentityClient
}

func (it *plugin) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{Type: registration.CSIPlugin, Name: it.name, Endpoint: it.endpoint, SupportedVersions: []string{"1.0.0"}}, nil
}

// A refusal ends the program, so that it is started again and asks again.
func (it *plugin) NotifyRegistrationStatus(_ context.Context, status *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	if !status.PluginRegistered {
		log.Fatalf("kubelet does not take the driver: %s", status.Error)
	}
	log.Printf("kubelet has taken the driver")
	return &registration.RegistrationStatusResponse{}, nil
}

func (it *plugin) ServeHTTP(answer http.ResponseWriter, request *http.Request) {
	limited, done := context.WithTimeout(request.Context(), patience)
	defer done()
	probed, err := it.identity.Probe(limited, &csi.ProbeRequest{})
	if err != nil || probed.Ready != nil && !probed.Ready.Value {
		http.Error(answer, "the driver does not answer", http.StatusInternalServerError)
	}
}

func main() {
	address := flag.String("csi-address", "/csi/csi.sock", "the driver's socket")
	told := flag.String("kubelet-registration-path", "", "the driver's socket, as kubelet sees it")
	directory := flag.String("plugin-registration-path", "/registration", "kubelet's directory of such sockets")
	health := flag.String("health-port", "", "where /healthz is answered")
	flag.String("v", "", "taken, and of no effect")
	flag.Parse()

	connection, err := grpc.NewClient("unix://"+*address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	it := &plugin{endpoint: *told, identity: csi.NewIdentityClient(connection)}
	if *health != "" {
		http.Handle("/healthz", it)
		log.Fatal(http.ListenAndServe(":"+*health, nil))
	}

	info, err := it.identity.GetPluginInfo(context.Background(), &csi.GetPluginInfoRequest{}, grpc.WaitForReady(true))
	if err != nil {
		log.Fatal(err)
	}
	it.name = info.Name
	socket := filepath.Join(*directory, it.name+"-reg.sock")
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	registration.RegisterRegistrationServer(server, it)
	log.Fatal(server.Serve(listener))
}
