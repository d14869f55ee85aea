"""Numbers from arrays: COCO, CrowdPose, OKS, and a clip against its truth."""
