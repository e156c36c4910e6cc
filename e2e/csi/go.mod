module aurochs/e2e/csi

go 1.25.0

tool github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity

require github.com/kubernetes-csi/csi-test/v5 v5.4.0 // indirect
