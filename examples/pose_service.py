"""A web service that takes an image and answers with the people in it.

python examples/pose_service.py
curl --data-binary @photo.jpg http://127.0.0.1:8000/people
"""

from threading import Lock

import cv2
import numpy as np
import uvicorn
from fastapi import Body, FastAPI, HTTPException

from higherhrnet_stream import annotate, open_estimator

service = FastAPI(title="People in an image")
estimator, in_use = open_estimator("lite"), Lock()  # opened once, used by one request at a time


@service.post("/people")
def find_people(photo: bytes = Body(media_type="image/*")) -> list[dict[str, object]]:
    """Score, box (x, y, width, height) and keypoints (x, y, score) of everybody."""
    image = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR) if photo else None
    if image is None:
        raise HTTPException(415, "the body of the request must be an image, such as a JPEG")
    with in_use:
        _, people = annotate(image, estimator=estimator)
    return [
        {"score": float(score), "box": box.tolist(), "keypoints": keypoints.tolist()}
        for score, box, keypoints in zip(people.scores, people.boxes, people.keypoints, strict=True)
    ]


if __name__ == "__main__":
    uvicorn.run(service, host="127.0.0.1", port=8000)
